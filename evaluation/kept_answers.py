"""The answers of a run on disk, one a line, so that an interrupted run goes on where it stopped and pays nothing twice.

Unlike the tables, this file holds texts: the answers and their quotes.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import Any

from evaluation.json_lines import read_json_lines
from evaluation.records import GivenAnswer, Question, Quote
from evaluation.tables import plain
from moat.errors import InvalidRequest

FORMAT = 1
Judged = tuple[str, Decimal]  # verdict, what it cost


class KeptAnswers:
    """What each model said to each question, and which passages it read; every line is on disk once it is kept."""

    def __init__(self, path: Path, questions: Sequence[Question], asked: Mapping[str, Any]) -> None:
        """Open the file, or begin it. Raises InvalidRequest when it is of other questions or was asked differently."""
        self.passages: dict[str, tuple[str, ...]] = {}
        self.answers: dict[tuple[str, str], GivenAnswer] = {}
        self.judged: dict[tuple[str, str, str], Judged] = {}
        self._lock = Lock()
        self._path = path
        head = {"format": FORMAT, "questions": _digest(questions), **asked}
        if path.exists() and path.stat().st_size:
            self._read(head)
        else:
            path.touch(mode=0o600)
            self._write(head)

    def keep_passages(self, question: str, ids: tuple[str, ...]) -> None:
        """Keep which passages are read for a question."""
        self.passages[question] = ids
        self._write({"question": question, "passages": ids})

    def keep_answer(self, question: str, model: str, given: GivenAnswer) -> None:
        """Keep an answer."""
        self.answers[question, model] = given
        self._write({"question": question, "model": model, "answer": plain(asdict(given))})

    def keep_judgement(self, question: str, model: str, judge: str, verdict: str, cost_usd: Decimal) -> None:
        """Keep what a judging model held of an answer."""
        self.judged[question, model, judge] = (verdict, cost_usd)
        row = {"question": question, "model": model, "judge": judge, "verdict": verdict, "cost_usd": f"{cost_usd:f}"}
        self._write(row)

    def _write(self, row: Mapping[str, Any]) -> None:
        line = json.dumps(row, ensure_ascii=False) + "\n"
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _read(self, head: Mapping[str, Any]) -> None:
        self._drop_torn_line()
        rows = read_json_lines(self._path)
        where, first = next(rows, (str(self._path), {}))
        wrong = next((name for name, value in head.items() if first.get(name) != value), None)
        if wrong:
            raise InvalidRequest(
                f"{where}: this run was begun with other {wrong} ({first.get(wrong)!r} instead of {head[wrong]!r}).",
                "Go on with the same questions, corpora and passages, or name a new file.",
            )
        for where, row in rows:
            try:
                self._take(row)
            except (KeyError, TypeError, ArithmeticError) as error:
                raise InvalidRequest(f"{where}: not a line of a kept run ({error}).", "Name a new file.") from None

    def _take(self, row: dict[str, Any]) -> None:
        if "passages" in row:
            self.passages[row["question"]] = tuple(row["passages"])
        elif "judge" in row:
            judged = (row["verdict"], Decimal(row["cost_usd"]))
            self.judged[row["question"], row["model"], row["judge"]] = judged
        else:
            answer = row["answer"]
            money = {name: Decimal(answer[name]) for name in ("cost_usd", "saved_usd")}
            quotes = tuple(Quote(**quote) for quote in answer["quotes"])
            self.answers[row["question"], row["model"]] = GivenAnswer(**{**answer, **money, "quotes": quotes})

    def _drop_torn_line(self) -> None:
        """Cut off a last line that a crash left half written: its answer is asked for again."""
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self._path, whole)


def _digest(questions: Sequence[Question]) -> str:
    told = json.dumps([[question.id, question.text] for question in questions], ensure_ascii=False)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
