"""Citations: a quote is cut out of a passage, so it stands in the canonical text at its span by construction."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log

from answering.sentences import sentence_spans
from answering.words import content_terms
from moat.records import Citation, Passage
from moat.sparse import ENGLISH


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a passage, with that passage's rank from 0; `span` is in the canonical text."""

    rank: int
    passage: Passage
    span: tuple[int, int]
    text: str
    terms: frozenset[str]


def sentences_of(passages: Iterable[Passage], language: str = ENGLISH) -> list[Sentence]:
    """Cut passages, best first, into sentences, each text once."""
    found: dict[str, Sentence] = {}
    for rank, passage in enumerate(passages):
        for start, end in sentence_spans(passage.text):
            text = passage.text[start:end]
            span = (passage.span[0] + start, passage.span[0] + end)
            terms = frozenset(content_terms(text, language))
            found.setdefault(" ".join(text.split()), Sentence(rank, passage, span, text, terms))
    return list(found.values())


def rarity(sentences_: Iterable[Sentence]) -> Mapping[str, float]:
    """Weigh each word by how few of the sentences hold it."""
    counts: Counter[str] = Counter()
    total = 0
    for sentence in sentences_:
        counts.update(sentence.terms)
        total += 1
    return {term: log(1 + total / count) for term, count in counts.items()}


def cite(marker: int, sentence: Sentence, score: float, public_url: str) -> Citation:
    """Make the citation of one sentence."""
    passage = sentence.passage
    page = passage.page_at(sentence.span[0])  # a chunk may run over a page's end
    anchor = f"#page={page}" if page else ""
    return Citation(
        marker=marker,
        document_id=passage.document_id,
        title=passage.title,
        corpus=passage.corpus,
        page=page,
        span=sentence.span,
        quote=sentence.text,
        score=round(score, 4),
        url=f"{public_url.rstrip('/')}/v1/documents/{passage.document_id}/content{anchor}",
        flags=passage.flags,
    )
