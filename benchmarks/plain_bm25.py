"""BM25 over whole files with their titles, as its library does it by default: the plainest baseline there is."""

from collections.abc import Callable

from benchmarks.sets import DOCUMENTATION, documentation_texts
from benchmarks.workload import Workload
from evaluation.arms import PASSAGES
from evaluation.records import FoundPassage
from moat.errors import InvalidRequest

PLAIN_BM25 = "bm25"
STOP_WORDS = "en"
TEXTS = (".txt", ".md")


def plain_bm25(workload: Workload) -> Callable[[str], tuple[FoundPassage, ...]]:
    """Index the texts of a set's files, each as one document, and give the search for the best of them."""
    import bm25s  # in an extra, like the starter's libraries

    texts = _texts(workload)
    index = bm25s.BM25()
    index.index(bm25s.tokenize(texts, stopwords=STOP_WORDS, show_progress=False), show_progress=False)

    def search(question: str) -> tuple[FoundPassage, ...]:
        asked = bm25s.tokenize([question], stopwords=STOP_WORDS, show_progress=False)
        found, scores = index.retrieve(asked, k=min(PASSAGES, len(texts)), show_progress=False)
        return tuple(
            FoundPassage(workload.names[at], texts[at], float(score))
            for at, score in zip(found[0], scores[0], strict=True)
            if score > 0
        )

    return search


def _texts(workload: Workload) -> list[str]:
    if workload.name == DOCUMENTATION:
        titled = documentation_texts()
        return [titled[name] for name in workload.names]
    other = next((name for name in workload.names if not name.endswith(TEXTS)), None)
    if other:
        raise InvalidRequest(f"{other} is no text.", f"Leave '{PLAIN_BM25}' out of --arms for this set.")
    return [(workload.root / name).read_text(encoding="utf-8") for name in workload.names]
