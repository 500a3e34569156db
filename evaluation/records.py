"""The values of a measurement: what is asked, what came back, and what was worth what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Literal

VERDICTS = ("correct", "partly", "wrong", "rightly abstained", "wrongly abstained", "not judged")
Verdict = Literal["correct", "partly", "wrong", "rightly abstained", "wrongly abstained", "not judged"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question with what would be a right result. `relevant` maps a file's key to its grade, above 0.

    `corpus` and `kind` are labels to break the tables down by; empty where nobody gave them.
    """

    id: str
    text: str
    relevant: Mapping[str, int]
    sentence: str | None = None
    answer: str | None = None
    answerable: bool = True
    corpus: str = ""
    kind: str = ""

    @property
    def format(self) -> str:
        """The ending of the file that answers, without the dot."""
        return next((PurePosixPath(key).suffix.lower().lstrip(".") for key in self.relevant), "")


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage that an arm returned; `key` is the path of its file as it was uploaded."""

    key: str
    text: str
    score: float = 0.0
    id: str = ""


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote of an answer and the key of its file; `verbatim` says whether it stands at its span, None: not looked."""

    key: str
    text: str
    verbatim: bool | None = None


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """What an answering arm said. `score` tells how likely it was able to answer; `saved_usd` what a cache spared."""

    abstained: bool
    cost_usd: Decimal
    text: str = ""
    quotes: tuple[Quote, ...] = ()
    score: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    saved_usd: Decimal = Decimal(0)
    model: str = ""
    latency_ms: float | None = None  # where it was measured nearer than around the call


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
    """How one answer did. Of the quotes: how many there are, stand in a relevant file, touch the answering sentence,
    and stand verbatim at their span; None where that does not apply or nobody looked."""

    abstained: bool
    cites_relevant: bool | None
    cost_usd: Decimal
    latency_ms: float
    verdict: Verdict = "not judged"
    score: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    saved_usd: Decimal = Decimal(0)
    quotes: int = 0
    quotes_in_file: int | None = None
    quotes_on_sentence: int | None = None
    quotes_verbatim: int | None = None
    holds_sentence: bool | None = None
    judge_usd: Decimal = Decimal(0)


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
    """One arm's outcomes, in the order of the questions; without `searched` it only answered, from given passages."""

    arm: str
    outcomes: tuple[Outcome, ...]
    searched: bool = True


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A finished run: the questions, and for each arm one outcome a question.

    `pairs` names which arms are compared, the better known second; without it the first is, with each other.
    """

    questions: tuple[Question, ...]
    arms: tuple[ArmOutcomes, ...]
    notes: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come: `done` of `total` questions of this arm."""

    arm: str
    done: int
    total: int


ProgressCallback = Callable[[Progress], None]
