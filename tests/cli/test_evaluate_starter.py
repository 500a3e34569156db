"""A first question file from a corpus's own headings, and the measurement that follows from it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.fakes.api import Api

FAQ = """# Travel

## Q. Who pays for the train?

The company pays for second class on every line.

## Allowances

Each night away gives an allowance of forty euros to the traveller.

## Carbon budget

A carbon budget is a yearly amount of emissions that a team may cause by travel.
"""
OTHER = """# Safety

## Who pays for the train?

The company pays for second class on every line.

## Allowances

Protective shoes give an allowance of ninety euros every second year.

## Ablauf

Die Unterweisung findet immer im Januar statt und dauert zwei Stunden.
"""


@pytest.fixture
def filled(api: Api) -> Api:
    api.corpus("handbook")
    api.add("travel.md", FAQ, corpus="handbook")
    api.add("safety.md", OTHER, corpus="handbook")
    api.add(
        "mail.txt", "Hello all\n\nAre you well?\n\nThe canteen is closed on Monday for repairs.\n", corpus="handbook"
    )
    return api


def made(moat: Command, path: Path, *arguments: object) -> list[dict[str, Any]]:
    result = moat("evaluate", "--make-questions", "handbook", "--out", path, *arguments)
    assert result.code == 0, result.err
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_headings_that_ask_definitions_and_sections_become_questions(
    filled: Api, moat: Command, tmp_path: Path
) -> None:
    rows = {row["question"]: row for row in made(moat, tmp_path / "q.jsonl")}
    train = rows["Who pays for the train?"]
    assert (train["kind"], train["sentence"]) == ("faq", "The company pays for second class on every line.")
    assert {train["file"], *train["other_files_with_same_sentence"]} == {"travel.md", "safety.md"}
    budget = rows["What is a carbon budget?"]
    assert (budget["kind"], budget["file"], budget["sentence"][:18]) == (
        "definition",
        "travel.md",
        "A carbon budget is",
    )
    allowance = rows["What does “Travel” say about “Allowances”?"]
    assert (allowance["kind"], allowance["file"], allowance["corpus"]) == ("heading", "travel.md", "handbook")
    assert allowance["sentence"] is None, "any sentence of the section answers"
    assert "Safety: Ablauf?" in rows, "no English words around a German section"
    assert not any("well" in question for question in rows), "a mail's lines are no headings"
    assert len({row["_id"] for row in rows.values()}) == len(rows)


def test_the_file_can_be_measured_at_once_and_is_the_same_every_time(
    filled: Api, moat: Command, tmp_path: Path
) -> None:
    path = tmp_path / "q.jsonl"
    rows = made(moat, path)
    assert made(moat, tmp_path / "again.jsonl") == rows
    result = moat("evaluate", path, "--arms", "sparse", "--answers", "--json")
    assert result.code == 0, result.err
    report = json.loads(result.out)
    assert set(report["groups"]) == {"kind"}, "one format and one corpus need no tables"
    served = report["arms"][1]["answers"]
    assert served["quotes_verbatim"] == 1.0
    assert sum(served["verdicts"].values()) == len(rows)


def test_fewer_questions_are_taken_from_every_kind(filled: Api, moat: Command, tmp_path: Path) -> None:
    assert [row["kind"] for row in made(moat, tmp_path / "q.jsonl", "--count", 3)] == ["faq", "definition", "heading"]


def test_a_corpus_without_headings_or_a_wrong_name_is_the_caller_s_mistake(
    api: Api, moat: Command, tmp_path: Path
) -> None:
    api.add("plain.txt", "Nothing but a line.\n")
    without = moat("evaluate", "--make-questions", "default", "--out", tmp_path / "q.jsonl")
    assert (without.code, "by hand" in without.err) == (1, True)
    assert not (tmp_path / "q.jsonl").exists()
    unknown = moat("evaluate", "--make-questions", "nowhere")
    assert (unknown.code, "nowhere" in unknown.err) == (1, True)
