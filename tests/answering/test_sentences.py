"""Sentences are cut at their ends, as spans of the text."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answering.sentences import sentence_spans


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("One is here. Two is there! Three?", ["One is here.", "Two is there!", "Three?"]),
        ("It costs 3.50 EUR. Ask Dr. Hall about it.", ["It costs 3.50 EUR.", "Ask Dr. Hall about it."]),
        ("Use tools, e.g. hammers. Done.", ["Use tools, e.g. hammers.", "Done."]),
        ("- first item\n* second item\n12. third item", ["first item", "second item", "third item"]),
        ("Plan: Gold; Price: 9\nPlan: Basic; Price: 1", ["Plan: Gold; Price: 9", "Plan: Basic; Price: 1"]),
        ('He said "No." Then he left.', ['He said "No."', "Then he left."]),
        ("## Heading\n\nText below.", ["Heading", "Text below."]),
        ("これは一つ。これは二つ。", ["これは一つ。", "これは二つ。"]),
        ("  \n \n", []),
    ],
)
def test_sentences(text: str, wanted: list[str]) -> None:
    assert cut(text) == wanted


@given(st.text(alphabet="aB1 .!?\n-#*\"'。", max_size=60))
def test_spans_are_ordered_disjoint_and_lose_only_blanks_and_marks(text: str) -> None:
    spans = sentence_spans(text)
    assert all(start < end for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    covered = {i for start, end in spans for i in range(start, end)}
    assert all(text[i] in " \n-#*1.>" for i in set(range(len(text))) - covered)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Am 3. Oktober ist z. B. frei. Es gilt ab 2019.", ["Am 3. Oktober ist z. B. frei.", "Es gilt ab 2019."]),
        ("Es gilt ab 12. Der Preis bleibt.", ["Es gilt ab 12.", "Der Preis bleibt."]),
        ("「これは一つ。」これは二つ。", ["「これは一つ。」", "これは二つ。"]),
        ("هل هذا صحيح؟ نعم.", ["هل هذا صحيح؟", "نعم."]),
        ("यह है। वह है।", ["यह है।", "वह है।"]),
        ("см. стр. 5 ниже. Далее.", ["см. стр. 5 ниже.", "Далее."]),
    ],
)
def test_sentences_of_other_languages(text: str, wanted: list[str]) -> None:
    assert cut(text) == wanted
