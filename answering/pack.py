"""Which sentences of the passages are read for an answer, and under which number."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from answering.evidence import Evidence
from answering.sentences import sentence_spans
from moat.records import Passage

# Four bytes of UTF-8 a token is close for prose in every script, and counting exactly would load a tokenizer.
BYTES_PER_TOKEN = 4
# A sentence is read with those beside it, as far as they are no longer than this together: they say what "it" is.
BESIDE = 1
GAP = "[…]"
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Source:
    """One numbered source: a passage, or neighbours of one document in reading order, and what is read of them.

    An excerpt is a passage cut down to sentences in a row: text and span still fit together.
    """

    number: int
    passages: tuple[Passage, ...]
    excerpts: tuple[Passage, ...]

    @property
    def first(self) -> Passage:
        return self.excerpts[0]

    @property
    def text(self) -> str:
        pieces = [self.excerpts[0].text]
        for before, excerpt in zip(self.excerpts, self.excerpts[1:], strict=False):
            torn = before.passage_id == excerpt.passage_id
            pieces += [GAP, excerpt.text] if torn else [excerpt.text]
        return "\n".join(pieces)


@dataclass(slots=True)
class _Cut:
    """A passage's sentences, and which of them are kept."""

    passage: Passage
    spans: Sequence[tuple[int, int]]
    repeated: frozenset[int]  # said before, by this passage or a better one
    kept: set[int]

    def size(self, at: int) -> int:
        start, end = self.spans[at]
        return tokens(self.passage.text[start:end])


def pack(evidence: Evidence, budget_tokens: int) -> tuple[Source, ...]:
    """Read the best sentences within the budget, each with its neighbours, none twice; at least one if there is any."""
    cuts = _cut(evidence.passages)
    whole = [cut.passage for cut in cuts if len(cut.repeated) < len(cut.spans)]
    if sum(tokens(passage.text) for passage in whole) <= budget_tokens:
        return join(whole)
    at = {
        (cut.passage.passage_id, cut.passage.span[0] + s[0]): (cut, n) for cut in cuts for n, s in enumerate(cut.spans)
    }
    left = budget_tokens
    for weighed in evidence.weighed:
        cut, n = at[weighed.sentence.passage.passage_id, weighed.sentence.span[0]]
        for wanted in (_beside(cut, n), {n}):
            new = wanted - cut.kept
            size = sum(cut.size(one) for one in new)
            if size <= left or (n in new and left == budget_tokens and wanted == {n}):
                cut.kept |= new
                left -= size
                break
    return join([excerpt for cut in cuts for excerpt in _excerpts(cut)], [cut.passage for cut in cuts])


def join(excerpts: Sequence[Passage], passages: Sequence[Passage] = ()) -> tuple[Source, ...]:
    """Number what is read, best first: each document's parts together, chunks that follow each other as one source.

    `passages` are the whole ones that the excerpts were cut from, if they were cut.
    """
    whole = {passage.passage_id: passage for passage in passages or excerpts}
    groups = _neighbours(excerpts)
    documents = list(dict.fromkeys(group[0].document_id for group in groups))
    groups.sort(key=lambda group: documents.index(group[0].document_id))
    return tuple(
        Source(number, tuple({e.passage_id: whole[e.passage_id] for e in group}.values()), tuple(group))
        for number, group in enumerate(groups, 1)
    )


def tokens(text: str) -> int:
    """Estimate a text's tokens for the budget."""
    return math.ceil(len(text.encode()) / BYTES_PER_TOKEN)


def _cut(passages: Iterable[Passage]) -> list[_Cut]:
    seen: set[str] = set()
    cuts = []
    for passage in passages:
        spans = sentence_spans(passage.text)
        texts = [_BLANKS.sub(" ", passage.text[start:end]) for start, end in spans]
        repeated = set()
        for n, text in enumerate(texts):
            if text in seen:
                repeated.add(n)
            seen.add(text)
        cuts.append(_Cut(passage, spans, frozenset(repeated), set()))
    return cuts


def _beside(cut: _Cut, at: int) -> set[int]:
    near = range(max(0, at - BESIDE), min(len(cut.spans), at + BESIDE + 1))
    return {n for n in near if n == at or n not in cut.repeated}


def _excerpts(cut: _Cut) -> list[Passage]:
    """Cut out the runs of kept sentences, with whatever stands between two of a run."""
    runs: list[list[int]] = []
    for n in sorted(cut.kept):
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return [_excerpt(cut.passage, cut.spans[run[0]][0], cut.spans[run[-1]][1]) for run in runs]


def _excerpt(passage: Passage, start: int, end: int) -> Passage:
    first = passage.span[0] + start
    return replace(
        passage, text=passage.text[start:end], span=(first, passage.span[0] + end), page=passage.page_at(first)
    )


def _neighbours(excerpts: Sequence[Passage]) -> list[list[Passage]]:
    """Put the parts of chunks that follow each other into one group, which stands where its best chunk stood."""
    groups: list[list[Passage]] = []
    for excerpt in excerpts:
        near = [group for group in groups if any(_adjacent(excerpt, other) for other in group)]
        joined = [excerpt, *(e for group in near for e in group)]
        if not near:
            groups.append(joined)
            continue
        groups[groups.index(near[0])] = joined
        groups = [group for group in groups if group not in near[1:]]
    return [sorted(group, key=lambda excerpt: excerpt.span) for group in groups]


def _adjacent(one: Passage, other: Passage) -> bool:
    same = (one.document_id, one.version, one.corpus) == (other.document_id, other.version, other.corpus)
    return same and abs(one.ordinal - other.ordinal) <= 1
