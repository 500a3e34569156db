"""What is read for an answer: the sentences that answer, once, neighbours together, within the budget."""

from answering.evidence import weigh
from answering.pack import GAP, join, pack, tokens
from moat.records import Passage
from tests.fakes.embedder import WordsEmbedder
from tests.fakes.passages import passage

QUESTION = "What does a visit to the sauna cost?"


def read(*passages: Passage, question: str = QUESTION, budget: int = 1000) -> list[str]:
    evidence = weigh(question, passages, WordsEmbedder(dimension=512))
    return [source.text for source in pack(evidence, budget)]


def test_sources_are_numbered_best_first() -> None:
    sources = join([passage("b", document="b.md"), passage("a", document="a.md")])
    assert [(s.number, s.text) for s in sources] == [(1, "b"), (2, "a")]


def test_copies_are_read_once_whatever_their_blanks() -> None:
    assert read(passage("One  sauna.", document="a"), passage("One sauna.\n", document="b")) == ["One  sauna."]


def test_neighbours_of_one_document_become_one_source_in_reading_order() -> None:
    ranked = [
        passage("third", ordinal=2, start=20), passage("x", document="b"), passage("first"),
        passage("second", ordinal=1, start=10),
    ]  # fmt: skip
    assert [source.text for source in join(ranked)] == ["first\nsecond\nthird", "x"]


def test_documents_stay_together_and_neighbouring_ordinals_of_different_ones_apart() -> None:
    ranked = [passage("a"), passage("b", document="b", ordinal=1), passage("far", ordinal=7, start=90)]
    assert [source.text for source in join(ranked)] == ["a", "far", "b"]


def test_of_a_long_passage_the_sentences_that_answer_are_read_with_their_neighbours_and_gaps_are_shown() -> None:
    filler = " ".join(f"The pool has lane {n} for swimmers." for n in range(40))
    text = f"The sauna costs 12 EUR a visit. {filler} A visit to the sauna needs a towel. {filler} Ask Jo."
    (only,) = read(passage(text), budget=120)
    assert only.startswith("The sauna costs 12 EUR a visit.")
    assert "needs a towel." in only
    assert f"\n{GAP}\n" in only
    assert tokens(only) <= 120 + 10


def test_every_excerpt_stands_verbatim_at_its_span() -> None:
    filler = " ".join(f"The pool has lane {n} for swimmers." for n in range(40))
    text = f"{filler} The sauna costs 12 EUR a visit. {filler}"
    evidence = weigh(QUESTION, [passage(text, start=7)], WordsEmbedder(dimension=512))
    for source in pack(evidence, 60):
        for excerpt in source.excerpts:
            assert (" " * 7 + text)[slice(*excerpt.span)] == excerpt.text
        assert [p.text for p in source.passages] == [text]


def test_budget_holds_but_the_best_sentence_always_goes_in() -> None:
    many = [passage(f"Sauna {n} costs {n} EUR a visit.", document=str(n)) for n in range(20)]
    assert sum(map(tokens, read(*many, budget=50))) <= 50
    long = passage("sauna " * 500)
    assert read(long, budget=10) == [long.text.strip()]
    assert read() == []
