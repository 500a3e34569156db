"""Numbers with a check digit or a fixed form: bank cards, bank accounts, national ids, network addresses."""

import ipaddress
import re
from collections.abc import Iterator

Span = tuple[int, int]

_CARD = re.compile(r"(?<![\w.+/-])\d(?:[ -]?\d){11,18}(?![\w/]|[-.]\d)")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}(?![A-Za-z0-9])")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?:(?:\d{1,3}\.){3}\d{1,3})?(?![\w:])")
# Lengths of an account number by country, as the IBAN registry gives them; another country's must only pass the check.
_IBAN_LENGTHS = {
    country: int(length)
    for country, length in re.findall(
        r"([A-Z]{2})(\d{2})",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 "
        "FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 "
        "LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SE24 SI19 SK24 "
        "SM27 TN24 TR26 UA29 VA22 VG24 XK20",
    )
}


def cards(text: str) -> Iterator[Span]:
    """Find card numbers: 12 to 19 digits that begin as a card network's do and pass Luhn's check."""
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if digits[0] in "123456" and len(set(digits)) > 1 and luhn(digits) and _is_network(digits):
            yield match.span()


def _is_network(digits: str) -> bool:
    """Tell whether a number of this length begins as a network's do (ISO/IEC 7812)."""
    length, two, four = len(digits), int(digits[:2]), int(digits[:4])
    if digits[0] == "4":
        return length in (13, 16, 19)
    if two in (34, 37):
        return length == 15
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return length == 16
    if two in (30, 36, 38, 39):
        return length in (14, 16)
    if four in (2131, 1800):
        return length == 15
    return (two == 35 and length >= 15) or two in (50, 56, 57, 58, 60, 62, 64, 65, 67)


def luhn(digits: str) -> bool:
    """Check the last digit (ISO/IEC 7812-1)."""
    doubled = (sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])
    return (sum(doubled) + sum(map(int, digits[-1::-2]))) % 10 == 0


def ibans(text: str) -> Iterator[Span]:
    """Find account numbers whose check digits are right (ISO 13616), with or without spaces."""
    for match in _IBAN.finditer(text):
        raw = match[0]
        wanted = _IBAN_LENGTHS.get(raw[:2].upper(), 0)
        compact, end = "", len(raw)
        for at, character in enumerate(raw):
            if character.isalnum():
                compact += character
            if wanted and len(compact) == wanted:  # a word may follow it
                end = at + 1
                break
        if (not wanted or len(compact) == wanted) and 15 <= len(compact) <= 34 and _mod97(compact.upper()):
            yield match.start(), match.start() + end


def _mod97(compact: str) -> bool:
    return int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1


def addresses(text: str) -> Iterator[Span]:
    """Find IPv4 and IPv6 addresses, also with a prefix length behind them."""
    for pattern in (_IPV4, _IPV6):
        for match in pattern.finditer(text):
            if _is_address(match[0]):
                yield match.span()


def _is_address(candidate: str) -> bool:
    try:
        found = ipaddress.ip_address(candidate)
    except ValueError:
        return False
    # `::` alone is an operator of many languages, and 0.0.0.0 or 127.0.0.1 are nobody's.
    return not (found.is_unspecified or found.is_loopback)
