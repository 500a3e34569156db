"""Why a question is answered or not, and what of each passage is read: what an admin needs to see on one screen."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from answering.pack import tokens
from answering.reading import Reading
from moat.records import Passage

READ, REPEATS, BELOW = "read", "repeats what another passage says", "its sentences fit the question less than others"
ABSTAINED = "nothing is read: the question would not be answered"


@dataclass(frozen=True, slots=True)
class Share:
    """What is read of one passage: spans in the canonical text, their tokens, and why it is not more."""

    passage_id: UUID
    why: str
    spans: tuple[tuple[int, int], ...]
    tokens: int
    score: float | None  # how well its best sentence answers, from 0 to about 1


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision with what it rests on, and each passage's share of what would be read."""

    answers: bool
    likeliness: float | None  # None where nothing was judged
    threshold: float | None
    signals: Mapping[str, float]
    shares: tuple[Share, ...]


def explain(reading: Reading) -> Explanation:
    """Explain a reading."""
    decision = reading.decision
    best: dict[UUID, float] = {}
    for weighed in reading.evidence.weighed:
        best.setdefault(weighed.sentence.passage.passage_id, round(weighed.score, 4))
    read: defaultdict[UUID, list[Passage]] = defaultdict(list)
    for excerpt in (e for source in reading.sources for e in source.excerpts):
        read[excerpt.passage_id].append(excerpt)
    shares = []
    for passage in reading.evidence.passages:
        excerpts = read[passage.passage_id]
        why = READ if excerpts else ABSTAINED if not reading.sources else BELOW
        if not excerpts and reading.sources and passage.passage_id not in best:
            why = REPEATS
        spans = tuple(excerpt.span for excerpt in excerpts)
        size = sum(tokens(excerpt.text) for excerpt in excerpts)
        shares.append(Share(passage.passage_id, why, spans, size, best.get(passage.passage_id)))
    return Explanation(
        answers=bool(reading.sources),
        likeliness=None if decision is None else round(decision.likeliness, 4),
        threshold=None if decision is None else decision.threshold,
        signals={} if decision is None else {name: round(value, 4) for name, value in decision.signals.items()},
        shares=tuple(shares),
    )
