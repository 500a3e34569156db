"""The model that needs no key: the sentences of the sources that best answer the question, word for word."""

from collections.abc import Sequence
from dataclasses import dataclass

from answering.pack import Source
from answering.quote import Sentence, rarity, sentences
from answering.words import content_terms
from moat.embedder import Embedder

NAME = "extractive"
NOTE = "These sentences stand word for word in the sources; no language model was used, and it cost nothing."
# Embedding a sentence takes about 5 ms on a CPU, so only those that may win are embedded.
EMBEDDED_AT_MOST = 24
SENTENCES_AT_MOST = 3
# Meaning decides; shared words and the order of the sources settle what is close. The choice is not delicate:
# half or twice these weights picked the same share of right sentences.
LEXICAL_WEIGHT = 0.1
RANK_WEIGHT = 0.02
# A further sentence must be nearly as good as the best one, and must not repeat it.
RELATIVE_FLOOR = 0.82
REPEATS_FROM = 0.6
SHORTEST_TERMS = 2
LONGEST_CHARS = 600


@dataclass(frozen=True, slots=True)
class Picked:
    """A sentence with how well it answers, from 0 to about 1."""

    sentence: Sentence
    score: float


def pick(question: str, sources: Sequence[Source], embedder: Embedder) -> list[Picked]:
    """Choose one to three sentences, the best first; empty when the sources hold no sentence."""
    candidates = _candidates(question, sources)
    if not candidates:
        return []
    vectors = embedder.embed_texts([_in_context(picked.sentence) for picked in candidates])
    cosines = vectors @ embedder.embed_question(question)
    scored = [
        Picked(picked.sentence, float(cosine) + LEXICAL_WEIGHT * picked.score - _rank(picked))
        for picked, cosine in zip(candidates, cosines, strict=True)
    ]
    return _distinct(sorted(scored, key=lambda picked: -picked.score))


def _candidates(question: str, sources: Sequence[Source]) -> list[Picked]:
    """Score every sentence by the question's words it holds, rare words more, and keep the likely ones."""
    cut = [s for s in sentences(sources) if s.terms and not _is_heading(s)]
    usable = [s for s in cut if len(s.terms) >= SHORTEST_TERMS and len(s.text) <= LONGEST_CHARS] or cut
    weights = rarity(usable)
    wanted = set(content_terms(question))
    total = sum(weights.get(term, 0.0) for term in wanted) or 1.0
    scored = [Picked(s, sum(weights[term] for term in wanted & s.terms) / total) for s in usable]
    return sorted(scored, key=lambda picked: 2 * _rank(picked) - picked.score)[:EMBEDDED_AT_MOST]


def _is_heading(sentence: Sentence) -> bool:
    return sentence.text in (sentence.passage.title, *sentence.passage.heading_path)


def _rank(picked: Picked) -> float:
    return RANK_WEIGHT * picked.sentence.source


def _in_context(sentence: Sentence) -> str:
    """A sentence says little without the heading it stands under."""
    heading = sentence.passage.heading_path[-1:] or (sentence.passage.title,)
    return f"{heading[0]}: {sentence.text}"


def _distinct(ranked: Sequence[Picked]) -> list[Picked]:
    chosen: list[Picked] = []
    for picked in ranked:
        if len(chosen) == SENTENCES_AT_MOST or picked.score < RELATIVE_FLOOR * ranked[0].score:
            break
        if not any(_repeats(picked.sentence, other.sentence) for other in chosen):
            chosen.append(picked)
    return chosen


def _repeats(one: Sentence, other: Sentence) -> bool:
    return len(one.terms & other.terms) >= REPEATS_FROM * min(len(one.terms), len(other.terms))
