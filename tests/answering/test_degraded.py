"""Where a part fails, an answer says what it lacked, or the question gets a clear error: never a silent half answer."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from answering.answer import Query
from answering.reading import WORDS_ONLY
from moat.errors import Unavailable
from moat.records import Reader, Vector
from tests.fakes.asking import collect
from tests.fakes.embedder import WordsEmbedder
from tests.fakes.library import Library

pytestmark = pytest.mark.anyio

TEXT = "Every employee gets 28 days of paid vacation each year.\n\nUnused vacation expires in March."
QUESTION = "How many days of paid vacation does an employee get?"


class TiredEmbedder(WordsEmbedder):
    """Embeds questions, and fails at sentences."""

    def embed_texts(self, texts: Sequence[str]) -> Vector:
        raise RuntimeError("out of memory")


class DeadEmbedder(TiredEmbedder):
    """Fails at everything."""

    def embed_question(self, question: str) -> Vector:
        raise RuntimeError("out of memory")


class SlowEmbedder(WordsEmbedder):
    """Does not come back, from sentences or from anything, until it is let go."""

    def __init__(self, name: str, only_sentences: bool, let_go: threading.Event) -> None:
        super().__init__(name)
        self._only_sentences, self._let_go = only_sentences, let_go

    def embed_texts(self, texts: Sequence[str]) -> Vector:
        self._let_go.wait(30)
        return super().embed_texts(texts)

    def embed_question(self, question: str) -> Vector:
        if not self._only_sentences:
            self._let_go.wait(30)
        return super().embed_question(question)


class OnlySlow:
    def __init__(self, only_sentences: bool) -> None:
        self.let_go = threading.Event()
        self._embedder = SlowEmbedder("words", only_sentences, self.let_go)

    def get(self, name: str) -> WordsEmbedder:
        return self._embedder


class OnlyDead:
    def get(self, name: str) -> WordsEmbedder:
        return DeadEmbedder(name)


class OnlyTired:
    def get(self, name: str) -> WordsEmbedder:
        return TiredEmbedder(name)


async def test_embedder_that_fails_at_sentences_leaves_an_answer_by_words_that_says_so(
    library: Library, reader: Reader
) -> None:
    library.add(library.corpus("hr"), "handbook.md", TEXT)
    library.parts = replace(library.parts, embedders=OnlyTired())
    _, done = await collect(Query(QUESTION), reader, library)
    assert "28 days" in done.answer
    assert WORDS_ONLY in done.note
    assert "degraded" in done.flags


async def test_embedder_that_fails_altogether_leaves_the_search_by_words_that_says_so(
    library: Library, reader: Reader
) -> None:
    library.add(library.corpus("hr"), "handbook.md", TEXT)
    library.parts = replace(library.parts, embedders=OnlyDead())
    _, done = await collect(Query(QUESTION), reader, library)
    assert "28 days" in done.answer
    assert done.note.count(WORDS_ONLY) == 1
    _, nothing = await collect(Query("Zebra quantum orbit telescope?"), reader, library)
    assert nothing.abstained
    assert WORDS_ONLY in nothing.note


@pytest.mark.parametrize("only_sentences", [False, True])
async def test_embedder_that_hangs_is_not_waited_for_and_the_answer_by_words_says_so(
    library: Library, reader: Reader, only_sentences: bool
) -> None:
    library.add(library.corpus("hr"), "handbook.md", TEXT)
    slow = OnlySlow(only_sentences)
    hasty = library.parts.settings.answering.model_copy(update={"embed_deadline_s": 0.1})
    settings = library.parts.settings.model_copy(update={"answering": hasty})
    library.parts = replace(library.parts, embedders=slow, settings=settings)
    began = time.monotonic()
    try:
        _, done = await collect(Query(QUESTION), reader, library)
    finally:
        slow.let_go.set()
    assert time.monotonic() - began < 10
    assert "28 days" in done.answer
    assert done.note.count(WORDS_ONLY) == 1
    assert "degraded" in done.flags


async def test_vectors_that_are_away_are_a_clear_error(
    library: Library, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add(library.corpus("hr"), "handbook.md", TEXT)

    def away(*_: object, **__: object) -> None:
        raise Unavailable("The index cannot be reached.", "Try again in a moment.")

    monkeypatch.setattr(library.vectors, "search", away)
    with pytest.raises(Unavailable, match="index cannot be reached"):
        await collect(Query(QUESTION), reader, library)
