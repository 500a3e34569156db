"""Who quotes wants these very words."""

import pytest

from answering.phrases import holding_first, quoted
from tests.fakes.passages import passage


@pytest.mark.parametrize(
    ("question", "phrases"),
    [
        ('Where is "Second  Shelf" named?', ("second shelf",)),
        ("Was heißt „höhere Gewalt“ hier?", ("höhere gewalt",)),
        ("Que veut dire « force majeure » ?", ("force majeure",)),
        ('“One two” or "one two" or "three-four"', ("one two", "three four")),
        ("It's 5' 10\" tall", ()),
        ('An empty "" or ".." says nothing', ()),
    ],
)
def test_phrases_are_found_in_every_kind_of_quotation_marks(question: str, phrases: tuple[str, ...]) -> None:
    assert quoted(question) == phrases


def test_passages_that_hold_the_phrase_come_first_and_the_order_stays_else() -> None:
    texts = [
        "shelf, the second one",
        "On the second\nshelf.",
        "nothing",
        "Second shelf! Second shelf!",
        "second shelves",
    ]
    ordered = holding_first([passage(text) for text in texts], ("second shelf",))
    assert [texts.index(p.text) for p in ordered] == [1, 3, 0, 2, 4]
    assert [p.text for p in holding_first(ordered, ())] == [p.text for p in ordered]
