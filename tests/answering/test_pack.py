"""What is read for an answer: the best that fits, once, neighbours together."""

from answering.pack import pack
from tests.fakes.passages import passage


def texts(*passages: object, limit: int = 8, budget: int = 1000) -> list[list[str]]:
    return [[p.text for p in source.passages] for source in pack(passages, limit, budget)]  # type: ignore[arg-type]


def test_sources_are_numbered_best_first() -> None:
    sources = pack([passage("b", document="b.md"), passage("a", document="a.md")], 8, 100)
    assert [(s.number, s.text) for s in sources] == [(1, "b"), (2, "a")]


def test_copies_are_read_once_whatever_their_blanks() -> None:
    assert texts(passage("One  two.", document="a"), passage("One two.\n", document="b")) == [["One  two."]]


def test_neighbours_of_one_document_become_one_source_in_reading_order() -> None:
    ranked = [passage("third", ordinal=2), passage("x", document="b"), passage("first"), passage("second", ordinal=1)]
    assert texts(*ranked) == [["first", "second", "third"], ["x"]]


def test_neighbouring_ordinals_of_different_documents_stay_apart() -> None:
    assert texts(passage("a"), passage("b", document="b", ordinal=1)) == [["a"], ["b"]]


def test_limit_and_budget_hold_but_the_best_passage_always_goes_in() -> None:
    many = [passage(f"passage {n}", document=str(n)) for n in range(5)]
    assert len(texts(*many, limit=3)) == 3
    long = passage("word " * 500)
    assert texts(long, many[0], budget=10) == [[long.text]]
    assert texts(many[0], long, many[1], budget=10) == [["passage 0"], ["passage 1"]]
    assert texts() == []
