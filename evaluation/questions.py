"""Question files and BEIR folders, read into questions; whatever is wrong is named by file, line and fix."""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

from evaluation.beir import read_beir
from evaluation.json_lines import Row, as_object, read_json_lines, read_text, required_text
from evaluation.records import Question
from moat.errors import InvalidRequest

_YES = {"true", "yes", "1"}
_NO = {"false", "no", "0"}


def read_questions(path: Path) -> tuple[Question, ...]:
    """Read JSON lines, a JSON list, CSV (by the ending .csv) or a BEIR folder.

    Fields: `question`; `answerable` (default true); for an answerable one `file`, the key of the file that answers;
    and, where known, `_id`, `answer`, `sentence` (verbatim in that file), `other_files_with_same_sentence` (a list; in
    CSV separated by `;`), `corpus` and `kind`, by which the tables are broken down. Other fields are passed over.
    """
    questions = read_beir(path) if path.is_dir() else _read_file(path)
    if not questions:
        raise InvalidRequest(f"{path} holds no question.", "Put at least one question into it.")
    return questions


def _read_file(path: Path) -> tuple[Question, ...]:
    questions: dict[str, Question] = {}
    for number, (where, row) in enumerate(_rows(path), 1):
        question = _question(row, where, number)
        if question.id in questions:
            raise InvalidRequest(f"{where}: the _id {question.id!r} was used before.", "Give each question its own.")
        questions[question.id] = question
    return tuple(questions.values())


def _rows(path: Path) -> Iterable[tuple[str, Row]]:
    if path.suffix.lower() == ".csv":
        return _csv_rows(path)
    if read_text(path).lstrip().startswith("["):
        return _list_rows(path)
    return read_json_lines(path)


def _csv_rows(path: Path) -> list[tuple[str, Row]]:
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), restkey="", strict=True)
    rows: list[tuple[str, Row]] = []
    try:
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if row.pop("", None):
                raise InvalidRequest(f"{where}: more columns than the header has.", "Quote cells that hold commas.")
            rows.append((where, dict(row)))
    except csv.Error as error:
        raise InvalidRequest(
            f"{path}, line {reader.line_num}: not CSV ({error}).", "Separate by commas and quote with double quotes."
        ) from None
    return rows


def _list_rows(path: Path) -> list[tuple[str, Row]]:
    try:
        values = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"{path}, line {error.lineno}: not JSON ({error.msg}, column {error.colno}).",
            "Write one JSON list of objects, or one JSON object on each line.",
        ) from None
    places = (f"{path}, entry {number}" for number in range(1, len(values) + 1))
    return [(where, as_object(value, where)) for where, value in zip(places, values, strict=True)]


def _question(row: Row, where: str, number: int) -> Question:
    text = required_text(row, "question", where)
    answerable = _truth(row.get("answerable"), where)
    sentence, answer = (_optional_text(row, name, where) for name in ("sentence", "answer"))
    question_id = str(row.get("_id") or f"q{number}")
    corpus, kind = (_optional_text(row, name, where) or "" for name in ("corpus", "kind"))
    if not answerable:
        return Question(question_id, text, {}, answer=answer, answerable=False, corpus=corpus, kind=kind)
    if not row.get("file"):
        raise InvalidRequest(
            f"{where}: an answerable question without 'file'.",
            "Name the file that answers it, as its key was when it was uploaded, or set answerable to false.",
        )
    files = [required_text(row, "file", where), *_other_files(row, where)]
    relevant = dict.fromkeys(files, 1)
    return Question(question_id, text, relevant, sentence, answer, corpus=corpus, kind=kind)


def _truth(value: object, where: str) -> bool:
    if value is None or isinstance(value, bool):
        return value is not False
    word = str(value).strip().lower()
    if word not in _YES | _NO | {""}:
        raise InvalidRequest(f"{where}: 'answerable' is {value!r}.", "Write true or false.")
    return word not in _NO


def _optional_text(row: Row, name: str, where: str) -> str | None:
    value = row.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidRequest(f"{where}: {name!r} is {type(value).__name__}, not text.", "Write text or null.")
    return value if value and value.strip() else None


def _other_files(row: Row, where: str) -> list[str]:
    value = row.get("other_files_with_same_sentence") or []
    if isinstance(value, str):
        value = [part.strip() for part in value.split(";") if part.strip()]
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise InvalidRequest(
            f"{where}: 'other_files_with_same_sentence' is not a list of file keys.", 'Write ["a.md", "b.md"] or [].'
        )
    return value
