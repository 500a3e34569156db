"""Search returns what the catalog confirms, and nothing of what the reader may not read."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from answering.query import Query, Retrieval
from answering.retrieve import search
from moat.access import Rule
from moat.errors import InvalidRequest, NotFound, Unavailable
from moat.records import EVERYONE, DocumentState, Reader
from moat.tables import Corpus, Document
from moat.vector_search import Hits
from moat.vectors import Vectors
from tests.fakes.library import Library

TEXT = "The secret launch code is 4711.\n\nThe public launch date is the first of May."


def titles(library: Library, reader: Reader, question: str = "launch code", **asked: Any) -> list[str]:
    return [passage.title for passage in search(Query(question, **asked), reader, library.parts).passages]


def test_passages_carry_what_a_citation_needs(library: Library, reader: Reader) -> None:
    document = library.add(library.corpus("plans"), "launch.md", TEXT, title="Launch plan")
    found = search(Query("secret launch code"), reader, library.parts)
    first = found.passages[0]
    assert (first.document_id, first.title, first.key, first.corpus, first.version) == (
        document, "Launch plan", "launch.md", "plans", 1,
    )  # fmt: skip
    assert TEXT[slice(*first.span)] == first.text == "The secret launch code is 4711."
    assert first.arms["dense"].rank == first.arms["sparse"].rank == 1
    assert found.best == found.passages
    assert found.corpora == ("plans",)


def test_another_groups_documents_are_not_found(library: Library, reader: Reader) -> None:
    corpus = library.corpus("plans")
    library.add(corpus, "secret.md", TEXT, access=("board",), title="Secret")
    library.add(corpus, "open.md", "The launch party needs balloons.", title="Open")
    assert titles(library, reader) == ["Open"]
    assert set(titles(library, replace(reader, groups=frozenset({"board"})))) == {"Secret", "Open"}
    assert set(titles(library, Reader(None, "root", scopes=frozenset({"admin"})))) == {"Secret", "Open"}


def test_catalog_decides_even_where_the_vectors_still_say_everyone(library: Library, reader: Reader) -> None:
    corpus = library.corpus("plans")
    document = library.add(corpus, "secret.md", TEXT, access=("board",))
    with library.database.reading() as session:
        generation_id = session.get_one(Corpus, corpus).serving_generation
    assert generation_id is not None
    library.vectors.set_access(f"g_{generation_id.hex}", document, [EVERYONE])
    found = search(Query("launch code"), reader, library.parts)
    assert (found.passages, found.best) == ((), ())


def test_unreadable_corpus_does_not_exist(library: Library, reader: Reader) -> None:
    library.add(library.corpus("board", access=("board",)), "open.md", TEXT)
    assert search(Query("launch code"), reader, library.parts).corpora == ()
    with pytest.raises(NotFound):
        titles(library, reader, corpora=("board",))


def test_key_bound_to_a_corpus_reaches_no_other(library: Library, reader: Reader) -> None:
    mine, other = library.corpus("mine"), library.corpus("other")
    library.add(mine, "a.md", TEXT, title="Mine")
    library.add(other, "b.md", TEXT, title="Other")
    bound = replace(reader, corpora=frozenset({mine}))
    assert set(titles(library, bound)) == {"Mine"}
    with pytest.raises(NotFound):
        titles(library, bound, corpora=("other",))


def test_corpora_are_chosen_by_name_or_id_and_merged_by_rank(library: Library, reader: Reader) -> None:
    one, two = library.corpus("one"), library.corpus("two", embedder="other-words")
    library.embedders.get("other-words")
    library.add(one, "a.md", TEXT, title="One")
    library.add(two, "b.md", TEXT.replace("launch", "rocket launch"), title="Two")
    assert set(titles(library, reader, corpora=("one",))) == {"One"}
    assert set(titles(library, reader, corpora=(str(two), "two"))) == {"Two"}
    both = search(Query("secret launch code"), reader, library.parts)
    assert {p.title for p in both.passages[:2]} == {"One", "Two"}  # the best of each comes before the second of any
    assert [p.score for p in both.passages] == sorted((p.score for p in both.passages), reverse=True)


def test_old_versions_deleted_documents_and_deleting_ones_are_dropped(library: Library, reader: Reader) -> None:
    corpus = library.corpus("plans")
    document = library.add(corpus, "a.md", "The launch code is 1111.")
    library.add(corpus, "a.md", "The launch code is 2222.", version=2, document_id=document)
    assert [p.text for p in search(Query("launch code"), reader, library.parts).passages] == [
        "The launch code is 2222."
    ]
    with library.database.transaction() as session:
        session.get_one(Document, document).state = DocumentState.DELETING
    assert titles(library, reader) == []
    with library.database.transaction() as session:
        session.delete(session.get_one(Document, document))
    assert titles(library, reader) == []


def test_corpus_without_a_serving_generation_contributes_nothing(library: Library, reader: Reader) -> None:
    corpus = library.corpus("new")
    with library.database.transaction() as session:
        session.get_one(Corpus, corpus).serving_generation = None
    found = search(Query("launch code"), reader, library.parts)
    assert (found.passages, found.corpora) == ((), ("new",))


class FlippingVectors(Vectors):
    """Finishes a reindex while the first search is under way."""

    def __init__(self, library: Library, flip: Any, drop: bool) -> None:
        self._inner = library.vectors
        self._flip = flip
        self._drop = drop
        self.asked: list[str] = []

    def search(self, collection: str, *vectors: Any, **options: Any) -> Hits:
        self.asked.append(collection)
        if len(self.asked) == 1:
            self._flip()
            if self._drop:
                raise Unavailable("The collection is gone.")
        return self._inner.search(collection, *vectors, **options)


@pytest.mark.parametrize("drop", [False, True])
def test_question_during_a_flip_is_asked_again_of_the_new_generation(
    library: Library, reader: Reader, drop: bool
) -> None:
    corpus = library.corpus("plans")
    document = library.add(corpus, "a.md", TEXT, title="Plan")
    newer = library.generation(corpus, "other-words")
    library.add(corpus, "a.md", TEXT, generation_id=newer, document_id=document)
    vectors = FlippingVectors(library, lambda: library.flip(corpus, newer), drop)
    found = search(Query("launch code"), reader, replace(library.parts, vectors=vectors))
    assert vectors.asked[1:] == [f"g_{newer.hex}"]
    assert {p.title for p in found.passages} == {"Plan"}
    assert len(found.passages) == 2


def test_vector_store_that_fails_is_an_error_not_an_empty_answer(library: Library, reader: Reader) -> None:
    library.add(library.corpus("plans"), "a.md", TEXT)
    vectors = FlippingVectors(library, lambda: None, drop=True)
    with pytest.raises(Unavailable):
        search(Query("launch code"), reader, replace(library.parts, vectors=vectors))


def test_arms_and_limit_can_be_chosen(library: Library, reader: Reader) -> None:
    library.add(library.corpus("plans"), "a.md", TEXT)
    sparse = search(Query("launch", retrieval=Retrieval(("sparse",)), limit=1), reader, library.parts)
    assert len(sparse.passages) == 1
    assert set(sparse.passages[0].arms) == {"sparse", "fused"}
    assert len(sparse.best) == 2


def test_empty_question_is_refused(library: Library, reader: Reader) -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        titles(library, reader, question="  \n")


def test_the_rule_reaches_the_vectors(library: Library, reader: Reader) -> None:
    seen: list[Rule] = []

    class Watching(FlippingVectors):
        def search(self, collection: str, *vectors: Any, **options: Any) -> Hits:
            seen.append(vectors[1])
            return super().search(collection, *vectors, **options)

    library.add(library.corpus("plans"), "a.md", TEXT)
    watching = Watching(library, lambda: None, drop=False)
    search(Query("launch"), replace(reader, groups=frozenset({"hr"})), replace(library.parts, vectors=watching))
    assert seen == [Rule((EVERYONE, "user:ann", "hr"))]


@pytest.mark.parametrize(
    "question",
    [
        "code",
        "🙂",
        "the of and",
        "launch " * 5_000,
        "SELECT code FROM launches;",
        "Wo ist der Startcode?",
        "發射代碼",
        '"',
    ],
)
def test_any_question_is_answered_with_what_is_nearest(library: Library, reader: Reader, question: str) -> None:
    library.add(library.corpus("plans"), "a.md", TEXT)
    found = search(Query(question), reader, library.parts)
    assert len(found.passages) == 2
    assert all(passage.arms["dense"].rank in (1, 2) for passage in found.passages)


def test_what_words_alone_found_says_how_near_it_is(library: Library, reader: Reader) -> None:
    corpus = library.corpus("plans")
    for number in range(8):
        library.add(corpus, f"{number}.md", "launch code launch code")
    library.add(corpus, "rare.md", "Words " * 40 + "zebra")
    parts = replace(library.parts, settings=library.settings.model_copy(
        update={"answering": library.settings.answering.model_copy(update={"candidates": 2})}
    ))  # fmt: skip
    found = search(Query("launch code zebra", limit=2), reader, parts)
    rare = next(passage for passage in found.passages if passage.key == "rare.md")
    assert rare.arms["dense"].rank > 2
    assert rare.arms["sparse"].rank == 1


def test_only_the_chosen_documents_are_looked_at(library: Library, reader: Reader) -> None:
    plans, notes = library.corpus("plans"), library.corpus("notes")
    one = library.add(plans, "one.md", TEXT, title="One")
    library.add(plans, "two.md", TEXT, title="Two")
    three = library.add(notes, "three.md", "The launch party needs balloons.", title="Three")
    found = search(Query("launch code", documents=(three, three)), reader, library.parts)
    assert ([p.title for p in found.passages], found.corpora, found.documents) == (["Three"], ("notes",), 1)
    assert set(titles(library, reader, documents=(one, three))) == {"One", "Three"}
    assert set(titles(library, reader, documents=(one,), corpora=("plans",))) == {"One"}


def test_a_chosen_document_of_another_corpus_than_those_asked_is_refused(library: Library, reader: Reader) -> None:
    library.corpus("notes")
    one = library.add(library.corpus("plans"), "one.md", TEXT)
    with pytest.raises(InvalidRequest, match="none of the corpora"):
        search(Query("launch code", ("notes",), (one,)), reader, library.parts)


def test_a_chosen_document_that_may_not_be_read_does_not_exist(library: Library, reader: Reader) -> None:
    plans = library.corpus("plans")
    secret = library.add(plans, "secret.md", TEXT, access=("board",), title="Secret")
    hidden = library.add(library.corpus("hidden", access=("board",)), "open.md", TEXT)
    for asked in ((secret,), (library.add(plans, "open.md", TEXT), secret), (hidden,), (uuid4(),)):
        with pytest.raises(NotFound, match="There is no document"):
            search(Query("launch code", documents=asked), reader, library.parts)
    board = replace(reader, groups=frozenset({"board"}))
    assert set(titles(library, board, documents=(secret,))) == {"Secret"}
