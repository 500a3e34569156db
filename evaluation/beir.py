"""BEIR folders: queries and judgments as questions, and the corpus as files that can be uploaded."""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from evaluation.json_lines import Row, read_json_lines, required_text
from evaluation.records import Question
from moat.errors import InvalidRequest

_NAME_BYTES = 255  # what common file systems take


def document_key(document_id: str) -> str:
    """Name the file, and so the uploaded key, of a BEIR document; different ids get different names."""
    name = quote(document_id, safe=" ")
    if name.startswith("."):  # a hidden file would be passed over
        name = f"%2E{name[1:]}"
    key = f"{name}.txt"
    if len(key) > _NAME_BYTES:
        raise InvalidRequest(
            f"The document id {document_id[:60]!r}… makes a file name of {len(key)} characters.",
            f"Shorten the ids in corpus.jsonl and qrels.tsv: {_NAME_BYTES} characters, encoded, is the most.",
        )
    return key


def read_beir(folder: Path) -> tuple[Question, ...]:
    """Read queries.jsonl, qrels.tsv (or qrels/test.tsv) and, where there is one, answers.jsonl.

    Asked are the queries with a judgment above 0, and those whose metadata calls their `answerability` UNANSWERABLE.
    """
    judgments, answers = _read_judgments(folder), _read_answers(folder / "answers.jsonl")
    path = folder / "queries.jsonl"
    questions = []
    for where, row in read_json_lines(path):
        query_id, text = required_text(row, "_id", where), required_text(row, "text", where)
        metadata = row.get("metadata")
        labels: Row = metadata if isinstance(metadata, dict) else {}
        relevant = judgments.pop(query_id, {})
        answerable = labels.get("answerability") != "UNANSWERABLE"
        if relevant or not answerable:
            kind = _label(labels, "question_type", "type", "answer_type", "answerability")
            answer = answers.get(query_id) if answerable else None
            kept = relevant if answerable else {}
            questions.append(Question(query_id, text, kept, answer=answer, answerable=answerable, kind=kind))
    if judgments:
        raise InvalidRequest(
            f"{len(judgments)} judged queries are not in {path}, the first of them {next(iter(judgments))!r}.",
            "Take queries.jsonl and the judgments from the same copy of the set.",
        )
    return tuple(questions)


def _label(labels: Row, *names: str) -> str:
    """Take the first label that there is; of several at once, all."""
    value = next((labels[name] for name in names if labels.get(name)), "")
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _read_answers(path: Path) -> dict[str, str]:
    """Read the expected answers; one of several parts holds all of them."""
    if not path.is_file():
        return {}
    answers = {required_text(row, "_id", where): row.get("answer") for where, row in read_json_lines(path)}
    parts = {id_: answer if isinstance(answer, list) else [answer] for id_, answer in answers.items()}
    return {id_: "; ".join(str(part) for part in those) for id_, those in parts.items() if any(those)}


def write_files(folder: Path, into: Path, batch: int = 500) -> Iterator[tuple[Path, ...]]:
    """Write each document of corpus.jsonl as a text file (title, empty line, text) and yield them by batches.

    Each batch is written when it is asked for. Documents without title and text are left out: nothing can find them.
    """
    into.mkdir(parents=True, exist_ok=True)
    written = _written(folder / "corpus.jsonl", into)
    while paths := tuple(islice(written, batch)):
        yield paths


def _written(corpus: Path, into: Path) -> Iterator[Path]:
    for where, row in read_json_lines(corpus):
        document_id = required_text(row, "_id", where)
        content = "\n\n".join(
            part for part in (str(row.get("title") or ""), str(row.get("text") or "")) if part.strip()
        )
        if content:
            path = into / document_key(document_id)
            path.write_text(content, encoding="utf-8")
            yield path


def _read_judgments(folder: Path) -> dict[str, dict[str, int]]:
    path = next((p for p in (folder / "qrels.tsv", folder / "qrels" / "test.tsv") if p.is_file()), None)
    if path is None:
        raise InvalidRequest(
            f"{folder} has neither qrels.tsv nor qrels/test.tsv.",
            "A BEIR folder holds corpus.jsonl, queries.jsonl and one of these.",
        )
    judgments: dict[str, dict[str, int]] = {}
    with path.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE), 1):
            if not row or (number == 1 and row[-1] == "score"):
                continue
            grade = _grade(row, f"{path}, line {number}")
            if grade > 0:
                judgments.setdefault(row[0], {})[document_key(row[1])] = grade
    return judgments


def _grade(row: list[str], where: str) -> int:
    try:
        _query, _document, score = row
        return int(score)
    except ValueError:
        raise InvalidRequest(
            f"{where}: expected query id, document id and a whole number, got {row!r}.",
            "Separate the three columns by tabs; the first line may be a header that ends in 'score'.",
        ) from None
