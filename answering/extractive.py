"""The model that needs no key: the sentences of the sources that best answer the question, word for word."""

from answering.conflicts import disagree
from answering.evidence import Evidence, Weighed
from answering.quote import Sentence

NAME = "extractive"
NOTE = "These sentences stand word for word in the sources; no language model was used, and it cost nothing."
SENTENCES_AT_MOST = 4
# A further sentence must be nearly as good as the best one, and must not repeat it, unless its document says otherwise.
RELATIVE_FLOOR = 0.82
REPEATS_FROM = 0.6


def pick(evidence: Evidence) -> list[Weighed]:
    """Choose one to four sentences, the best first; empty when there is none."""
    ranked = evidence.embedded or evidence.weighed
    chosen: list[Weighed] = []
    for weighed in ranked:
        if len(chosen) == SENTENCES_AT_MOST or weighed.score < RELATIVE_FLOOR * ranked[0].score:
            break
        alike = [other.sentence for other in chosen if _repeats(weighed.sentence, other.sentence)]
        if all(disagree(weighed.sentence, other) for other in alike):
            chosen.append(weighed)
    return chosen


def _repeats(one: Sentence, other: Sentence) -> bool:
    return len(one.terms & other.terms) >= REPEATS_FROM * min(len(one.terms), len(other.terms))
