"""The sentences of what was found, each weighed by how well it answers the question."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from answering.asked_for import holds, kind_of
from answering.context import embedded, words_of
from answering.quote import Sentence, rarity, sentences_of
from answering.words import content_terms, language_of
from moat.embedder import Embedder, knows_english_only
from moat.records import Passage
from moat.sparse import ENGLISH

# Embedding a sentence takes some milliseconds on a core, so only those that may win are embedded.
EMBEDDED_AT_MOST = 48
SHORTEST_TERMS = 2
LONGEST_CHARS = 600
# Which may win: words and the passage's rank tell, and whether the sentence holds the kind of thing asked for.
KIND_BEFORE, RANK_BEFORE = 0.3, 0.05
# Which wins: meaning decides, the rest settles what is close. Twice or half of each picked as many right sentences
# within two of eighty questions.
LEXICAL_WEIGHT = 0.2
KIND_WEIGHT = 0.2
LENGTH_WEIGHT = 0.1
RANK_WEIGHT = 0.03
FOREIGN_LETTERS = 0.3
FULL_LENGTH = 12  # terms from which a sentence can stand alone


@dataclass(frozen=True, slots=True)
class Weighed:
    """A sentence with the share of the question's words it holds, its nearness, and how well it answers, 0 to about 1.

    `held` tells that it holds the kind of thing the question asks for; `cosine` is None where it was not embedded.
    """

    sentence: Sentence
    lexical: float
    held: bool
    cosine: float | None
    score: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the passages hold for an answer: their sentences, best first."""

    language: str
    passages: tuple[Passage, ...]
    weighed: tuple[Weighed, ...]

    @property
    def embedded(self) -> tuple[Weighed, ...]:
        """Those that meaning was looked at, best first."""
        return tuple(w for w in self.weighed if w.cosine is not None)


def weigh(question: str, passages: Sequence[Passage], embedder: Embedder | None, context: str = "") -> Evidence:
    """Cut the passages, best first, into sentences and weigh each; by words alone without a fitting embedder.

    `context` is the question behind those asked before it.
    """
    language = language_of(question)
    if embedder is not None and _is_foreign(question, language) and knows_english_only(embedder.name):
        embedder = None
    cut = [s for s in sentences_of(passages, language) if s.terms and not _is_heading(s)]
    likely = sorted(_by_words(question, context, cut, language), key=lambda w: -w.score)
    if embedder is not None and likely:
        usable = [w for w in likely if _is_usable(w.sentence)] or likely
        chosen = usable[:EMBEDDED_AT_MOST]
        vectors = embedder.embed_texts([in_context(w.sentence) for w in chosen])
        cosines = [float(c) for c in vectors @ embedded(embedder, question, context)]
        near = {id(w): replace(w, cosine=c, score=_score(w, c)) for w, c in zip(chosen, cosines, strict=True)}
        likely = sorted((near.get(id(w), w) for w in likely), key=lambda w: (w.cosine is None, -w.score))
    return Evidence(language, tuple(passages), tuple(likely))


def in_context(sentence: Sentence) -> str:
    """A sentence says little without the heading it stands under."""
    heading = sentence.passage.heading_path[-1:] or (sentence.passage.title,)
    return f"{heading[0]}: {sentence.text}"


def _by_words(question: str, context: str, cut: Sequence[Sentence], language: str) -> list[Weighed]:
    """Score every sentence by what can be told without its meaning."""
    weights = rarity(cut)
    wanted = words_of(content_terms(question, language), content_terms(context, language))
    total = sum(counts * weights.get(term, 0.0) for term, counts in wanted.items()) or 1.0
    kind = kind_of(question)
    found = []
    for s in cut:
        share = sum(wanted[term] * weights[term] for term in wanted.keys() & s.terms) / total
        held = bool(kind) and holds(kind, s.text)
        found.append(Weighed(s, share, held, None, share + KIND_BEFORE * held - RANK_BEFORE * s.rank))
    return found


def _score(weighed: Weighed, cosine: float) -> float:
    s = weighed.sentence
    length = min(len(s.terms), FULL_LENGTH) / FULL_LENGTH
    told = LEXICAL_WEIGHT * weighed.lexical + KIND_WEIGHT * weighed.held + LENGTH_WEIGHT * length
    return cosine + told - RANK_WEIGHT * s.rank


def _is_foreign(question: str, language: str) -> bool:
    """Tell a question that an English embedder cannot place: by its function words, or by its letters."""
    letters = [character for character in question if character.isalpha()]
    return language != ENGLISH or sum(not letter.isascii() for letter in letters) > FOREIGN_LETTERS * len(letters)


def _is_usable(sentence: Sentence) -> bool:
    return len(sentence.terms) >= SHORTEST_TERMS and len(sentence.text) <= LONGEST_CHARS


def _is_heading(sentence: Sentence) -> bool:
    return sentence.text in (sentence.passage.title, *sentence.passage.heading_path)
