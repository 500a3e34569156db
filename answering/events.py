"""What an answer consists of while it is being made, in the order a reader sees it."""

from dataclasses import dataclass

from moat.records import Answer, Citation, Passage


@dataclass(frozen=True, slots=True)
class Sources:
    """The passages that are read for the answer, best first; empty when nothing relevant was found."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer, already checked against the sources."""

    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation; it comes just before the piece of text that shows its marker first."""

    citation: Citation


@dataclass(frozen=True, slots=True)
class Done:
    """The whole answer, as it is stored: where it differs from the pieces, it is right."""

    answer: Answer


Event = Sources | Token | Cited | Done
