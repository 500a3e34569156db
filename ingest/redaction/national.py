"""National ids: by their check digit where they have one, by their form and the words before them where not."""

import re
from collections.abc import Iterator

Span = tuple[int, int]

_SSN = re.compile(r"(?<![\w-])(?!000|666|9)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\w]|-\d)")
_BARE_SSN = re.compile(r"(?<!\w)(?!000|666|9)\d{3}(?!00)\d{2}(?!0000)\d{4}(?!\w)")
_NINO = re.compile(
    r"(?<!\w)(?!BG|GB|NK|KN|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)", re.I
)
_NHS = re.compile(r"(?<![\w-])\d{3}([ -]?)\d{3}\1\d{4}(?![\w-])")
_DE_TAX = re.compile(r"(?<!\w)[1-9]\d ?\d{3} ?\d{3} ?\d{3}(?!\w)")
_FR_NIR = re.compile(r"(?<!\w)[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}(?!\w)")
_ES_DNI = re.compile(r"(?<!\w)(?:\d{8}|[XYZ]\d{7})-?[A-Z](?!\w)")
_IT_CODE = re.compile(r"(?<!\w)[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?!\w)")
# All of them need one of these; most text has neither.
_WORTH_A_LOOK = re.compile(r"\d[\d -]{5}|[A-Z]{6}\d\d[A-Z]\d\d[A-Z]")
_NEAR = 60
_SSN_WORDS = re.compile(r"\b(ssn|social security)", re.I)
_NHS_WORDS = re.compile(r"\b(nhs|national health)", re.I)
_DE_WORDS = re.compile(r"(steuer|tax id|\bidnr|identifikationsnummer|\btin\b)", re.I)


def national_ids(text: str) -> Iterator[Span]:
    """Find ids of the US, the United Kingdom, Germany, France, Spain and Italy."""
    if not _WORTH_A_LOOK.search(text):
        return
    yield from (match.span() for match in _SSN.finditer(text))
    yield from (m.span() for m in _BARE_SSN.finditer(text) if _is_near(_SSN_WORDS, text, m.start()))
    yield from (match.span() for match in _NINO.finditer(text))
    # Any ten digits pass the check of one in eleven: the word must stand near.
    yield from (m.span() for m in _NHS.finditer(text) if _is_nhs(m[0]) and _is_near(_NHS_WORDS, text, m.start()))
    yield from (m.span() for m in _DE_TAX.finditer(text) if _is_de_tax(m[0]) and _is_near(_DE_WORDS, text, m.start()))
    yield from (match.span() for match in _FR_NIR.finditer(text) if _is_nir(match[0]))
    yield from (match.span() for match in _ES_DNI.finditer(text) if _is_dni(match[0]))
    yield from (match.span() for match in _IT_CODE.finditer(text))


def _is_near(words: re.Pattern[str], text: str, at: int) -> bool:
    return bool(words.search(text, max(0, at - _NEAR), at + _NEAR))


def _digits(text: str) -> list[int]:
    return [int(c) for c in text if c.isdigit()]


def _is_nhs(found: str) -> bool:
    """Check modulo 11, as the NHS data dictionary says."""
    digits = _digits(found)
    check = 11 - sum(weight * digit for weight, digit in zip(range(10, 1, -1), digits, strict=False)) % 11
    return check % 11 == digits[9] and check != 10


def _is_de_tax(found: str) -> bool:
    """Check by ISO 7064 MOD 11,10, as the German tax id does."""
    digits = _digits(found)
    product = 10
    for digit in digits[:10]:
        product = ((digit + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == digits[10]


def _is_nir(found: str) -> bool:
    """Check the French key: 97 less the number modulo 97; Corsica's letters stand for 19 and 18."""
    compact = found.replace(" ", "").replace("2A", "19").replace("2B", "18")
    return 97 - int(compact[:13]) % 97 == int(compact[13:])


def _is_dni(found: str) -> bool:
    """Check the Spanish letter: the number modulo 23; X, Y and Z stand for 0, 1 and 2."""
    compact = found.replace("-", "")
    number = int(compact[:-1].translate(str.maketrans("XYZ", "012")))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23] == compact[-1]
