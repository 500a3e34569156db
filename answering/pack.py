"""Which passages are read for an answer, and under which number."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from moat.records import Passage

# Four bytes of UTF-8 a token is close for prose in every script, and counting exactly would load a tokenizer.
BYTES_PER_TOKEN = 4
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Source:
    """One numbered source: a passage, or neighbours of one document in reading order."""

    number: int
    passages: tuple[Passage, ...]

    @property
    def first(self) -> Passage:
        return self.passages[0]

    @property
    def text(self) -> str:
        return "\n".join(p.text for p in self.passages)


def pack(passages: Sequence[Passage], limit: int, budget_tokens: int) -> tuple[Source, ...]:
    """Take the best passages within the budget, without copies, neighbours joined; at least one if there is any."""
    chosen: list[Passage] = []
    seen: set[str] = set()
    left = budget_tokens
    for passage in passages:
        content = _BLANKS.sub(" ", passage.text).strip()
        size = tokens(passage.text)
        if not content or content in seen or (chosen and size > left):
            continue
        seen.add(content)
        chosen.append(passage)
        left -= size
        if len(chosen) == limit:
            break
    return tuple(Source(number, group) for number, group in enumerate(_join(chosen), 1))


def tokens(text: str) -> int:
    """Estimate a text's tokens for the budget."""
    return math.ceil(len(text.encode()) / BYTES_PER_TOKEN)


def _join(passages: Sequence[Passage]) -> list[tuple[Passage, ...]]:
    """Put chunks that follow each other into one source, which stands where its best chunk stood."""
    groups: list[list[Passage]] = []
    for passage in passages:
        near = [group for group in groups if any(_adjacent(passage, other) for other in group)]
        joined = [passage, *(p for group in near for p in group)]
        if not near:
            groups.append(joined)
            continue
        groups[groups.index(near[0])] = joined
        groups = [group for group in groups if group not in near[1:]]
    return [tuple(sorted(group, key=lambda p: p.ordinal)) for group in groups]


def _adjacent(one: Passage, other: Passage) -> bool:
    same = (one.document_id, one.version, one.corpus) == (other.document_id, other.version, other.corpus)
    return same and abs(one.ordinal - other.ordinal) == 1
