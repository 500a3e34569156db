"""Citations: a quote is cut out of a passage, so it stands in the canonical text at its span by construction."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log

from answering.pack import Source
from answering.sentences import sentence_spans
from answering.words import content_terms
from moat.records import Citation, Passage


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a passage; `span` is in the canonical text."""

    source: int
    passage: Passage
    span: tuple[int, int]
    text: str
    terms: frozenset[str]


def sentences(sources: Iterable[Source]) -> list[Sentence]:
    """Cut every passage of the sources into sentences, each text once."""
    found: dict[str, Sentence] = {}
    for source in sources:
        for passage in source.passages:
            for start, end in sentence_spans(passage.text):
                text = passage.text[start:end]
                span = (passage.span[0] + start, passage.span[0] + end)
                found.setdefault(
                    " ".join(text.split()),
                    Sentence(source.number, passage, span, text, frozenset(content_terms(text))),
                )
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
