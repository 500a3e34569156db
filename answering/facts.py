"""The numbers, dates and names in a text: what an answer must not get wrong."""

import re
from collections.abc import Iterable

from answering.markers import MARKERS

# A number with its separators; signs and units stand outside.
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,'’\u00a0\u202f ]\d{3})*(?:[.,]\d+)?(?!\d)")
_ANY_DIGITS = re.compile(r"\d+")
# The month in a date of digits: 2024-05-01, or either of the first two of 01.05.2024.
_DATE = re.compile(r"\b\d{4}-(\d\d)-\d\d\b|\b(\d{1,2})[./](\d{1,2})[./]\d{2,4}\b")
_CURRENCIES = {"$": "usd", "€": "eur", "£": "gbp", "¥": "jpy"}
_WORD = re.compile(r"[^\W\d_][\w'’\-]*[^\W_]|[^\W\d_]")
# Small numbers that texts spell out, in the languages whose function words are known.
_SPELLED = {
    word: str(number)
    for number, words in {
        1: "one once single first ein eine eins einmal un une uno una",
        2: "two twice second zwei zweimal deux dos due dois twee",
        3: "three third drei trois tres tre três drie",
        4: "four fourth quarter vier quatre cuatro quattro quatro",
        5: "five fifth fünf cinq cinco cinque vijf",
        6: "six sixth sechs seis sei zes",
        7: "seven seventh sieben sept siete sette sete zeven",
        8: "eight eighth acht huit ocho otto oito",
        9: "nine ninth neun neuf nueve nove negen",
        10: "ten tenth zehn dix diez dieci dez tien",
        11: "eleven elf onze once undici",
        12: "twelve dozen zwölf douze doce dodici doze twaalf",
        15: "fifteen fünfzehn quinze quince quindici vijftien",
        20: "twenty zwanzig vingt veinte venti vinte twintig",
        30: "thirty dreißig trente treinta trenta trinta dertig",
        50: "fifty fünfzig cinquante cincuenta cinquanta cinquenta vijftig",
        100: "hundred hundert cent cien ciento cento honderd",
    }.items()
    for word in words.split()
}
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janvier enero gennaio janeiro januari",
            "february feb februar février febrero febbraio fevereiro februari",
            "march mar märz mars marzo março maart",
            "april apr avril abril aprile",
            "may mai mayo maggio maio mei",
            "june jun juni juin junio giugno junho",
            "july jul juli juillet julio luglio julho",
            "august aug août agosto augustus",
            "september sep sept septembre septiembre settembre setembro",
            "october oct oktober okt octobre octubre ottobre outubro",
            "november nov novembre noviembre novembro",
            "december dec dezember dez décembre diciembre dicembre dezembro",
        ),
        1,
    )
    for name in names.split()
}
# Of a month's name as an ordinary word nothing can be told: "may" and "march" are left alone unless capitalised.
# German writes every noun with a capital: there only words that are capitals throughout are names.
_ALL_NOUNS_CAPITAL = "de"
SHORTEST_NAME = 2


def numbers(text: str) -> set[str]:
    """Give the numbers written in digits, without separators of thousands, leading or trailing zeros."""
    return {_plain(match[0]) for match in _NUMBER.finditer(MARKERS.sub(" ", text))}


def unheld(claim: str, held: Iterable[str], language: str) -> tuple[str, ...]:
    """Name the numbers, months and names of a claim that none of these texts holds, in the claim's order."""
    texts = " ".join(held)
    lowered = texts.casefold()
    known_numbers = _known_numbers(texts)
    words = {word.casefold().rstrip("'’") for word in _WORD.findall(texts)}
    months = {_MONTHS[word] for word in words if word in _MONTHS} | {
        int(digits) for date in _DATE.findall(texts) for digits in date if digits
    }
    words |= {code for sign, code in _CURRENCIES.items() if sign in texts}
    plain = MARKERS.sub(" ", claim)
    missing = [m[0] for m in _NUMBER.finditer(plain) if _plain(m[0]) not in known_numbers]
    for word in _names(plain, language):
        folded = word.casefold()
        month = _MONTHS.get(folded)
        stem = re.sub(r"['’]s?$", "", folded)
        if month in months if month else (stem in words or stem in lowered or stem.rstrip("s") in words):
            continue
        missing.append(word)
    return tuple(dict.fromkeys(missing))


def _plain(number: str) -> str:
    """Write a number without separators of thousands; what stands before fewer than three last digits is a fraction."""
    parts = re.split(r"[.,'’\u00a0\u202f ]", number)
    if len(parts) > 1 and len(parts[-1]) != 3:
        whole, fraction = "".join(parts[:-1]), parts[-1].rstrip("0")
        return f"{whole.lstrip('0') or '0'}.{fraction}" if fraction else whole.lstrip("0") or "0"
    return "".join(parts).lstrip("0") or "0"


def _known_numbers(text: str) -> set[str]:
    """Give every number of a text, also those spelled out or joined to letters, and the parts of dates and versions."""
    found = numbers(text) | {digits.lstrip("0") or "0" for digits in _ANY_DIGITS.findall(text)}
    words = {word.casefold() for word in _WORD.findall(text)}
    parts = {part for word in words for part in word.split("-")}
    return found | {_SPELLED[word] for word in words | parts if word in _SPELLED}


def _names(text: str, language: str) -> list[str]:
    """Find words that are written as names: with a capital inside a sentence, or with several capitals."""
    found = []
    for match in _WORD.finditer(text):
        word = match[0]
        if len(word) < SHORTEST_NAME or not word[0].isupper():
            continue
        before = text[: match.start()].rstrip(" \t\"'“„«(*_")
        begins = not before or before[-1] in ".!?:;…\n-–•|>#"
        shouted = sum(character.isupper() for character in word) > 1
        if shouted or (not begins and language != _ALL_NOUNS_CAPITAL):
            found.append(word)
    return found
