"""Question files in their three forms, and messages that say where and how to mend."""

import json
from pathlib import Path

import pytest

from evaluation.questions import read_questions
from evaluation.records import Question
from moat.errors import InvalidRequest

ROWS = [
    {
        "_id": "a",
        "question": "How long?",
        "answer": "30 days",
        "answerable": True,
        "file": "hr/leave.md",
        "other_files_with_same_sentence": ["hr/copy.md", "old/leave.md"],
        "sentence": "It is 30 days, not more.",
        "word_overlap_with_sentence": 0.2,
    },
    {"_id": "b", "question": "Who is king?", "answer": None, "answerable": False, "file": None, "sentence": None},
]
QUESTIONS = (
    Question(
        "a",
        "How long?",
        {"hr/leave.md": 1, "hr/copy.md": 1, "old/leave.md": 1},
        "It is 30 days, not more.",
        "30 days",
        True,
    ),
    Question("b", "Who is king?", {}, None, None, False),
)
CSV = (
    "_id,question,answer,answerable,file,other_files_with_same_sentence,sentence\r\n"
    'a,How long?,30 days,true,hr/leave.md,hr/copy.md; old/leave.md,"It is 30 days, not more."\r\n'
    "b,Who is king?,,false,,,\r\n"
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.jsonl", "\n".join(json.dumps(row) for row in ROWS) + "\n\n"),
        ("q.json", json.dumps(ROWS, indent=2)),
        ("q.csv", CSV),
        ("q.jsonl", "\ufeff" + "\r\n".join(json.dumps(row) for row in ROWS)),
    ],
)
def test_json_lines_a_json_list_and_csv_read_the_same(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_bytes(content.encode())
    assert read_questions(tmp_path / name) == QUESTIONS


def test_questions_without_an_id_are_numbered_and_answerable_by_default(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "One?", "file": "a.md"}\n{"question": "Two?", "file": "b.md"}\n')
    assert [(question.id, question.answerable) for question in read_questions(path)] == [("q1", True), ("q2", True)]


def test_a_line_separator_inside_a_sentence_does_not_end_the_line(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "One\u2028more?", "file": "a.md"}\n', encoding="utf-8")
    assert read_questions(path)[0].text == "One\u2028more?"


@pytest.mark.parametrize(
    ("name", "content", "fact", "hint"),
    [
        ("q.jsonl", '{"question": "A?", "file": "a"}\n{"question": \n', "q.jsonl, line 2: not JSON", "one whole JSON"),
        ("q.jsonl", '{"question": "A?", "file": "a"}\n42\n', "line 2: expected a JSON object, got int", "{...}"),
        ("q.jsonl", '\n{"file": "a"}\n', "line 2: 'question' is missing or empty", "as text"),
        ("q.jsonl", '{"question": "A?", "fle": "a"}', "line 1: an answerable question without 'file'", "its key"),
        ("q.jsonl", '{"question": "A?", "file": "a", "answerable": "perhaps"}', "'perhaps'", "true or false"),
        ("q.jsonl", '{"question": "A?", "file": "a", "sentence": 3}', "'sentence' is int", "text or null"),
        (
            "q.jsonl",
            '{"question": "A?", "file": "a", "other_files_with_same_sentence": 7}',
            "'other_files_with_same_sentence' is not a list",
            "[]",
        ),
        (
            "q.jsonl",
            '{"_id": 1, "question": "A?", "file": "a"}\n{"_id": 1, "question": "B?", "file": "a"}',
            "line 2: the _id '1' was used before",
            "its own",
        ),
        ("q.json", '[{"question": "A?", "file": "a"},\n {"question": }]', "q.json, line 2: not JSON", "JSON list"),
        ("q.json", '[{"question": "A?", "file": "a"}, "B?"]', "entry 2: expected a JSON object", "{...}"),
        ("q.csv", "question,file\nA?,a,b\n", "q.csv, line 2: more columns", "Quote cells"),
        ("q.csv", 'question,file\nA?,"a\n', "not CSV", "double quotes"),
        ("q.csv", "question,file\nA?\n", "line 2: an answerable question without 'file'", "its key"),
        ("q.jsonl", "\n", "holds no question", "at least one"),
    ],
)
def test_a_broken_file_is_refused_with_its_place_and_the_fix(
    tmp_path: Path, name: str, content: str, fact: str, hint: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidRequest) as refused:
        read_questions(tmp_path / name)
    assert fact in refused.value.detail
    assert str(tmp_path / name) in refused.value.detail
    assert hint in refused.value.hint


def test_a_file_that_is_missing_or_not_utf8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        read_questions(tmp_path / "none.jsonl")
    (tmp_path / "q.jsonl").write_bytes(b'{"question": "caf\xe9?"}')
    with pytest.raises(InvalidRequest, match="not UTF-8 at byte 17"):
        read_questions(tmp_path / "q.jsonl")
