"""What is measured on: files, and questions that they answer."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.questions import read_questions
from evaluation.records import Question
from moat.errors import NotFound

HERE = Path(__file__).resolve().parent
SAMPLE = HERE.parent / "evaluation" / "sample"
_DATA_FOLDER = "~/.cache/moat-data"


@dataclass(frozen=True, slots=True)
class Workload:
    """Files by their names below `root`, and questions about them."""

    name: str
    root: Path
    names: tuple[str, ...]
    questions: tuple[Question, ...] = ()

    @property
    def megabytes(self) -> float:
        return sum((self.root / name).stat().st_size for name in self.names) / 1e6

    @property
    def answerable(self) -> tuple[str, ...]:
        """The questions' words, where a file answers."""
        return tuple(question.text for question in self.questions if question.relevant)


def data_folder() -> Path:
    """Give the folder that holds the evaluation sets."""
    return Path(os.environ.get("MOAT_DATA") or _DATA_FOLDER).expanduser()


def listed(root: Path, list_file: Path, questions_file: Path | None = None) -> Workload:
    """Take the files that a list names, and those questions that one of them answers or nothing does."""
    names = tuple(line.strip() for line in list_file.read_text(encoding="utf-8").splitlines() if line.strip())
    questions = read_questions(questions_file) if questions_file else ()
    return Workload(list_file.stem, root, names, _about(names, questions))


def company() -> Workload:
    """Take the 300 listed files of the evaluation set `co_dev`; raises NotFound where the data are not there."""
    folder = data_folder() / "co_dev"
    if not (folder / "questions.jsonl").is_file():
        raise NotFound(
            f"The evaluation set {folder} is not there.",
            "Set MOAT_DATA to the folder that holds co_dev, or measure on the shipped sample: "
            "python -m benchmarks --sample",
        )
    return listed(folder, HERE / "co300.txt", folder / "questions.jsonl")


def sample() -> Workload:
    """Take the sample company that ships with Moat."""
    documents = SAMPLE / "documents"
    names = sorted(path.relative_to(documents).as_posix() for path in documents.rglob("*") if path.is_file())
    return Workload("sample", documents, tuple(names), read_questions(SAMPLE / "questions.jsonl"))


def _about(names: Sequence[str], questions: Sequence[Question]) -> tuple[Question, ...]:
    there = set(names)
    return tuple(q for q in questions if not q.relevant or next(iter(q.relevant)) in there)
