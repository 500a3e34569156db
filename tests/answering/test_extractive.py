"""The model without a key picks sentences that answer, and says each thing once."""

from dataclasses import replace

from answering.evidence import EMBEDDED_AT_MOST, weigh
from answering.extractive import SENTENCES_AT_MOST, pick
from moat.records import Passage
from tests.fakes.embedder import WordsEmbedder
from tests.fakes.passages import passage


def picked(question: str, *passages: Passage, embedder: WordsEmbedder | None = None) -> list[str]:
    chosen = pick(weigh(question, passages, embedder or WordsEmbedder(dimension=512)))
    return [w.sentence.text for w in chosen]


def test_sentence_that_answers_comes_first() -> None:
    text = "The pool opens in May. The sauna costs 12 EUR per visit. Towels are free."
    assert picked("What does a visit to the sauna cost?", passage(text))[0] == "The sauna costs 12 EUR per visit."


def test_sentence_that_holds_what_is_asked_for_comes_before_one_that_is_only_near() -> None:
    text = "The sauna is visited often. The sauna takes two hours. Visits of the sauna are a joy."
    assert picked("How many hours does a visit to the sauna take?", passage(text))[0] == "The sauna takes two hours."


def test_table_row_is_a_sentence() -> None:
    text = "Plan: Basic; Price: 10 EUR\nPlan: Gold; Price: 99 EUR"
    assert picked("What is the price of the gold plan?", passage(text))[0] == "Plan: Gold; Price: 99 EUR"


def test_heading_is_no_answer() -> None:
    headed = replace(passage("Sauna prices\n\nA visit costs 12 EUR."), heading_path=("Sauna prices",))
    assert picked("What are the sauna prices?", headed) == ["A visit costs 12 EUR."]


def test_the_same_fact_is_not_told_twice() -> None:
    said = passage("A sauna visit costs 12 EUR.", document="a.md")
    again = passage("A visit of the sauna costs 12 EUR!", document="b.md")
    assert len(picked("What does a sauna visit cost?", said, again)) == 1


def test_few_sentences_are_embedded_and_fewer_are_told() -> None:
    embedder = WordsEmbedder()
    text = " ".join(f"Sauna number {n} has a cost of {n} EUR in house {n}." for n in range(100))
    assert 1 <= len(picked("sauna cost", passage(text), embedder=embedder)) <= SENTENCES_AT_MOST
    assert len(embedder.texts) == EMBEDDED_AT_MOST


def test_without_an_embedder_words_choose() -> None:
    text = "The pool opens in May. The sauna costs 12 EUR per visit. Towels are free."
    evidence = weigh("What does a visit to the sauna cost?", [passage(text)], None)
    assert pick(evidence)[0].sentence.text == "The sauna costs 12 EUR per visit."


def test_text_without_sentences_gives_nothing_and_a_single_word_still_something() -> None:
    assert picked("sauna?", passage(" \n--- \n")) == []
    assert picked("sauna?", passage("Sauna")) == ["Sauna"]
    assert pick(weigh("sauna?", (), WordsEmbedder())) == []
