"""Whether an answer is right, decided offline from what the question file says; the same every time, and free.

Words can be right in ways that no comparison sees, so close calls land on `partly`; a model judges finer, for money.
"""

import re
from collections.abc import Sequence
from decimal import Decimal

from answering.words import content_terms
from evaluation.metrics import sentence_together
from evaluation.records import Question, Verdict

# Of the expected answer's telling words, how many a right answer and a half right one hold.
RIGHT_SHARE = 0.7
PARTLY_SHARE = 0.35
# Beside all of the expected numbers, fewer words do.
WITH_NUMBERS_SHARE = 0.4

_MARKER = re.compile(r"\[\d{1,3}\]")
_BLANKS = "'’ \u00a0\u202f"
_NUMBER = re.compile(rf"(?<![\w.,])[-−]?\d[\d.,{_BLANKS}]*")
_GROUPS = rf"[1-9]\d{{0,2}}(?:[.,{_BLANKS}]\d{{3}})+"
_GROUPED = re.compile(_GROUPS)
_DECIMAL = re.compile(rf"(?P<whole>\d+|{_GROUPS})[.,](?P<part>\d+)")
_WORDS = re.compile(r"[^\W_]+")


def judge(question: Question, text: str, quotes: Sequence[str], *, abstained: bool) -> Verdict:
    """Judge an answer by its expected answer (exact, by number, by words) and by the sentence that answers.

    A question that states neither is not judged.
    """
    if not question.answerable:
        return "rightly abstained" if abstained else "wrong"
    if abstained:
        return "wrongly abstained"
    if not question.answer and not question.sentence:
        return "not judged"
    said = _MARKER.sub(" ", text)
    verdicts = {_by_answer(question.answer, said) if question.answer else "wrong"}
    if question.sentence:
        verdicts.add(_by_sentence(question.sentence, said, quotes))
    return next(verdict for verdict in ("correct", "partly", "wrong") if verdict in verdicts)


def _by_sentence(sentence: str, said: str, quotes: Sequence[str]) -> Verdict:
    if sentence_together(sentence, [said]):
        return "correct"
    return "partly" if quotes and sentence_together(sentence, quotes) else "wrong"


def _by_answer(expected: str, said: str) -> Verdict:
    if _plain(expected) and f" {_plain(expected)} " in f" {_plain(said)} ":
        return "correct"
    share = _share_of_words(expected, said)
    numbers = numbers_in(expected)
    if numbers:
        if not numbers <= numbers_in(said):
            return "partly" if numbers & numbers_in(said) and share and share >= PARTLY_SHARE else "wrong"
        return "correct" if share is None or share >= WITH_NUMBERS_SHARE or _is_numeric(expected) else "partly"
    if share is None:
        return "wrong"
    return "correct" if share >= RIGHT_SHARE else "partly" if share >= PARTLY_SHARE else "wrong"


def _share_of_words(expected: str, said: str) -> float | None:
    """Give the share of the expected telling words that were said; None where it has none but numbers."""
    wanted = {term for term in content_terms(expected) if not term.isdigit()}
    return len(wanted & set(content_terms(said))) / len(wanted) if wanted else None


def _is_numeric(expected: str) -> bool:
    """Say whether a number with at most a unit is what is expected: '$1,577 million', '30 days'."""
    return len([term for term in content_terms(expected) if not term[0].isdigit()]) <= 1


def _plain(text: str) -> str:
    return " ".join(_WORDS.findall(text.lower()))


def numbers_in(text: str) -> set[Decimal]:
    """Read every number, however its thousands and decimals are written: 1,577.00, 1.577,00 and 1 577 are one.

    Three digits behind a single separator are thousands, in every language alike.
    """
    return {number for match in _NUMBER.finditer(text) for number in _numbers(match[0].rstrip(f".,{_BLANKS}"))}


def _numbers(written: str) -> list[Decimal]:
    digits = written.lstrip("-−")
    if _GROUPED.fullmatch(digits):
        parts = [_joined(digits)]
    elif decimal := _DECIMAL.fullmatch(digits):
        parts = [f"{_joined(decimal['whole'])}.{decimal['part']}"]
    else:  # a date, a version, numbers side by side: each for itself
        parts = re.findall(r"\d+", digits)
    values = [Decimal(part).normalize() for part in parts]
    return [-values[0]] if digits != written and len(values) == 1 else values


def _joined(grouped: str) -> str:
    return "".join(character for character in grouped if character.isdigit())
