"""The values of a measurement: what is asked, what came back, and what was worth what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Question:
    """One question with what would be a right result. `relevant` maps a file's key to its grade, above 0."""

    id: str
    text: str
    relevant: Mapping[str, int]
    sentence: str | None = None
    answer: str | None = None
    answerable: bool = True


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage that an arm returned; `key` is the path of its file as it was uploaded."""

    key: str
    text: str
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What an answering arm said. `cited_keys` are the cited files in order of first citation."""

    abstained: bool
    cited_keys: tuple[str, ...]
    cost_usd: Decimal
    model: str = ""


SearchFunction = Callable[[str], Sequence[FoundPassage]]
AnswerFunction = Callable[[str], GivenAnswer]


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to ask: a name, a search that returns passages best first, and perhaps a way to answer."""

    name: str
    search: SearchFunction
    answer: AnswerFunction | None = None


@dataclass(frozen=True, slots=True)
class AnswerOutcome:
    """How one answer did. `cites_relevant` is None where it abstained or there is nothing relevant to cite."""

    abstained: bool
    cites_relevant: bool | None
    cost_usd: Decimal
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one arm did on one question. Ranks count from 1; None: not found, or nothing to find."""

    question_id: str
    file_rank: int | None = None
    ndcg_at_10: float | None = None
    sentence_rank: int | None = None
    sentence_in_first_ten_together: bool | None = None
    latency_ms: float | None = None
    answer: AnswerOutcome | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ArmOutcomes:
    """One arm's outcomes, in the order of the questions."""

    arm: str
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A finished run: the questions, and for each arm one outcome a question; the first arm is compared with."""

    questions: tuple[Question, ...]
    arms: tuple[ArmOutcomes, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come: `done` of `total` questions of this arm."""

    arm: str
    done: int
    total: int


ProgressCallback = Callable[[Progress], None]
