"""What kind of thing a question asks for, and whether a sentence holds one: a count of days is no sum of money."""

import re
from typing import Literal

Kind = Literal["", "percent", "time", "money", "number", "name"]

_UNITS_OF_TIME = (
    r"seconds?|minutes?|hours?|days?|weeks?|months?|quarters?|years?|sekunden?|minuten?|stunden?|tage?n?|wochen?"
    r"|monate?n?|jahre?n?|jours?|semaines?|mois|ans?|années?|heures?|días?|semanas?|mes(?:es)?|años?|horas?"
)
_MONTHS = (
    r"jan\w*|feb\w*|march|april|may|june?|july?|aug\w*|sept?\w*|oct\w*|nov\w*|dec\w*|märz|mai|juni|juli|okt\w*|dez\w*"
)
_SPELLED = (
    r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|once|twice|half|each|every"
    r"|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|deux|trois|quatre|cinq|dos|tres|cuatro|cinco"
)
_RHYTHMS = r"daily|weekly|monthly|quarterly|annual\w*|yearly|fortnight\w*|jährlich|monatlich|täglich|wöchentlich"
_DUTIES = r"team|manager|department|officer|director|captain|chair\w*|committee|owner|lead|leiter\w*|abteilung"

# The first that fits decides: "how many days" asks for a time before it asks for a number.
_ASKED: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    (
        "percent",
        (
            r"(?:what|which|as a) (?:\w+ )?(?:share|percentage|proportion|quota)",
            r"percent\w*|prozent\w*|what availability",
        ),
    ),
    (
        "time",
        (
            r"when|how (?:long|often|soon|quickly|fast|late|early|fresh|regularly|far (?:in advance|ahead))",
            rf"how (?:many|much) (?:\w+ ){{0,2}}?(?:{_UNITS_OF_TIME}|time|notice)",
            rf"(?:what|which) (?:\w+ ){{0,2}}?(?:date|time|length|{_UNITS_OF_TIME})|number of (?:{_UNITS_OF_TIME})",
            rf"wann|wie (?:lange|oft|schnell|bald)|wie ?viele? (?:\w+ )?(?:{_UNITS_OF_TIME}|\w+tage)",
            rf"quand|combien de (?:temps|{_UNITS_OF_TIME})|cuándo|cuánt[oa]s (?:{_UNITS_OF_TIME})|quando|wanneer",
        ),
    ),
    (
        "money",
        (
            r"how much\b.*\b(?:costs?|pay|paid|spen[dt]|claim|reimburs\w+|charged?|get|earn|allow\w*|budget)",
            r"what\b.*\b(?:fee|fine|salary|price|bonus|amount|budget|allowance|costs?|stipend|wage|paid|pay limit)",
            r"(?:which|what) amount|wie teuer|was kostet|\w*preis|gehalt|prix|coûte|cuesta|precio|costa|prezzo",
        ),
    ),
    (
        "number",
        (
            r"how (?:many|much|large|big|high|heavy|far|old|tall|wide|deep)",
            r"what\b.* (?:number|score|limit|rate|size|ceiling|level|maximum|minimum|most|least|largest|quality)",
            r"wie ?(?:viele|viel|hoch|groß|schwer|weit|alt)|combien|cuánt[oa]s?|quant[oiae]s?|hoeveel",
        ),
    ),
    ("name", (r"who|whom|whose|wer|wen|wem|qui|quién|chi|quem|wie heißt",)),
)
# Where there are no blanks there is no border of a word either.
_ASKED_UNSPACED: tuple[tuple[Kind, str], ...] = (
    ("time", r"何時|何时|多久|[幾几]天|[幾几]年|いつ|언제"),
    ("money", r"多少[钱錢元]|[價价]格|いくら|얼마"),
    ("number", r"多少|[几幾][个個]|いくつ|몇"),
    ("name", r"[谁誰]|누구"),
)
_ASKS = [
    *((kind, re.compile(pattern)) for kind, pattern in _ASKED_UNSPACED),
    *((kind, re.compile(rf"\b(?:{'|'.join(patterns)})\b", re.IGNORECASE)) for kind, patterns in _ASKED),
]
_COUNTED = re.compile(rf"\d|[一二三四五六七八九十百千]|\b(?:{_SPELLED}|{_RHYTHMS})\b", re.IGNORECASE)
_HOLDS: dict[Kind, re.Pattern[str]] = {
    "percent": re.compile(r"%|\bper ?cent|\bprozent|\bpour ?cent|\bhalf\b|\bthird\b|\bquarter\b", re.IGNORECASE),
    "time": re.compile(
        rf"\b(?:\d{{1,2}}[:h]\d\d|\d{{1,2}}\s?[ap]\.?m\.?|(?:19|20)\d\d|(?:mon|tues|wednes|thurs|fri|satur|sun)days?"
        rf"|{_UNITS_OF_TIME}|{_MONTHS}|{_RHYTHMS}|immediately)\b|[日月年周週天時时分秒]",
        re.IGNORECASE,
    ),
    "money": re.compile(r"[$€£¥元円원]|\b(?:usd|eur|euros?|gbp|chf|dollars?|cents?|yen)\b", re.IGNORECASE),
    "number": _COUNTED,
    "name": re.compile(rf"(?<=[^\W\d_A-Z][,;:)( ])[^\W\d_a-z][\w.\-]+|@\w|\b[A-Z]{{2,}}\b|\b(?:{_DUTIES})\b"),
}


def kind_of(question: str) -> Kind:
    """Name what is asked for; empty when it may be anything."""
    return next((kind for kind, pattern in _ASKS if pattern.search(question)), "")


def holds(kind: Kind, text: str) -> bool:
    """Tell whether a text holds a thing of that kind; of no kind, every text does."""
    if not kind:
        return True
    return bool(_HOLDS[kind].search(text)) and (kind != "money" or bool(_COUNTED.search(text)))
