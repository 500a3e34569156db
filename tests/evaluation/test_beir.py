"""BEIR folders as questions and as files to upload."""

from pathlib import Path

import pytest

from evaluation.beir import document_key, write_files
from evaluation.questions import read_questions
from moat.errors import InvalidRequest

CORPUS = """{"_id": "d1", "title": "On wings", "text": "Lift *grows*."}
{"_id": "a/b", "title": "", "text": "Only text."}
{"_id": "empty", "title": "", "text": " "}
{"_id": ".hidden", "text": "No title."}
"""
QUERIES = '{"_id": "1", "text": "What grows?"}\n{"_id": "2", "text": "Unjudged?"}\n{"_id": "3", "text": "Where?"}\n'
QRELS = "query-id\tcorpus-id\tscore\n1\td1\t2\n1\ta/b\t1\n1\td9\t0\n3\t.hidden\t1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "corpus.jsonl").write_text(CORPUS)
    (tmp_path / "queries.jsonl").write_text(QUERIES)
    (tmp_path / "qrels.tsv").write_text(QRELS)
    return tmp_path


def test_judged_queries_become_questions_with_graded_file_keys(folder: Path) -> None:
    first, second = read_questions(folder)
    assert (first.id, first.text, dict(first.relevant)) == ("1", "What grows?", {"d1.txt": 2, "a%2Fb.txt": 1})
    assert (second.id, dict(second.relevant)) == ("3", {"%2Ehidden.txt": 1})


def test_answers_kinds_and_what_nothing_answers_are_taken_from_the_folder(folder: Path) -> None:
    (folder / "queries.jsonl").write_text(
        '{"_id": "1", "text": "What grows?", "metadata": {"question_type": ["Factoid", "Summary"]}}\n'
        '{"_id": "2", "text": "Who?", "metadata": {"answerability": "UNANSWERABLE"}}\n'
        '{"_id": "3", "text": "Where?", "metadata": {"type": "place"}}\n'
    )
    (folder / "answers.jsonl").write_text(
        '{"_id": "1", "answer": ["lift", "drag"]}\n{"_id": "2", "answer": "nobody"}\n{"_id": "3", "answer": null}\n'
    )
    asked = read_questions(folder)
    assert [(question.answerable, question.answer, question.kind) for question in asked] == [
        (True, "lift; drag", "Factoid, Summary"),
        (False, None, "UNANSWERABLE"),
        (True, None, "place"),
    ]
    assert asked[1].relevant == {}


def test_the_standard_place_of_judgments_and_a_missing_header_are_understood(folder: Path) -> None:
    (folder / "qrels.tsv").unlink()
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text("3\td1\t1\n")
    assert [question.id for question in read_questions(folder)] == ["3"]


def test_each_document_with_words_becomes_a_file_named_as_the_questions_expect(folder: Path, tmp_path: Path) -> None:
    batches = list(write_files(folder, tmp_path / "files", batch=2))
    assert [[path.name for path in batch] for batch in batches] == [["d1.txt", "a%2Fb.txt"], ["%2Ehidden.txt"]]
    assert (tmp_path / "files" / "d1.txt").read_text() == "On wings\n\nLift *grows*."
    assert (tmp_path / "files" / "a%2Fb.txt").read_text() == "Only text."
    expected = {key for question in read_questions(folder) for key in question.relevant}
    assert expected == {path.name for path in (tmp_path / "files").iterdir()}


def test_batches_are_written_when_they_are_asked_for(folder: Path, tmp_path: Path) -> None:
    next(write_files(folder, tmp_path / "files", batch=1))
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["d1.txt"]


def test_different_ids_never_share_a_file() -> None:
    ids = ["a/b", "a%2Fb", "a b", "a_b", ".a", "%2Ea", "ä", "..", "."]
    assert len({document_key(document_id) for document_id in ids}) == len(ids)


def test_an_id_too_long_for_a_file_name_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="file name of 304 characters"):
        document_key("x" * 300)


@pytest.mark.parametrize(
    ("file", "content", "fact"),
    [
        ("qrels.tsv", "query-id\tcorpus-id\tscore\n1\td1\tmany\n", "qrels.tsv, line 2: expected query id"),
        ("qrels.tsv", "query-id\tcorpus-id\tscore\n1 d1 1\n", "qrels.tsv, line 2: expected query id"),
        ("qrels.tsv", "query-id\tcorpus-id\tscore\n77\td1\t1\n", "1 judged queries are not in"),
        ("queries.jsonl", '{"_id": "1"}\n', "queries.jsonl, line 1: 'text' is missing"),
    ],
)
def test_a_broken_folder_is_refused_with_its_place(folder: Path, file: str, content: str, fact: str) -> None:
    (folder / file).write_text(content)
    with pytest.raises(InvalidRequest) as refused:
        read_questions(folder)
    assert fact in refused.value.detail
    assert refused.value.hint


def test_a_folder_without_judgments_says_what_a_beir_folder_holds(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"neither qrels\.tsv nor") as refused:
        read_questions(tmp_path)
    assert "corpus.jsonl" in refused.value.hint
