"""Evaluation sets with their questions, as files to upload and right results to look for."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from benchmarks.sets import DOCUMENTATION, company_files, documentation_pages, set_folder
from benchmarks.workload import Workload, company
from evaluation.beir import document_key, read_beir, write_files
from evaluation.questions import read_questions
from evaluation.records import Question
from moat.errors import NotFound

LONG_REPORTS = "pdf_financebench_dev"


def question_set(name: str, into: Path) -> Workload:
    """Take a set by its folder's name, `co300` or `co_dev`; what is no file yet is written below `into`."""
    if name == "co300":
        return company()
    if name == "co_dev":
        files = company_files()
        root = set_folder("co_dev")
        names = tuple(f"docs/{path}" for path in files.names)
        return Workload(name, root, names, read_questions(root / "questions.jsonl"))
    folder = set_folder(name)
    if name == LONG_REPORTS:
        names = tuple(sorted(path.relative_to(folder).as_posix() for path in folder.glob("docs/*.pdf")))
        return Workload(name, folder, names, _about_pages(folder))
    if name == DOCUMENTATION:
        pages = documentation_pages(into, None, 0)
        return replace(pages, questions=_by_paths(folder, pages.names))
    if not (folder / "corpus.jsonl").is_file():
        raise NotFound(f"{folder} is no folder of questions and documents.", "Name a folder with a corpus.jsonl.")
    written = (path.name for batch in write_files(folder, into) for path in batch)
    return Workload(name, into, tuple(written), read_beir(folder))


def page_key(file: str, page: int | None) -> str:
    """Name a page as the long reports' judgments do."""
    return f"{Path(file).stem}#p{page}"


def file_of(page_key: str) -> str:
    """Name the file, without its ending, that a page is in."""
    return page_key.rpartition("#p")[0]


def _by_paths(folder: Path, names: Iterable[str]) -> tuple[Question, ...]:
    """Read questions whose right results are files below folders."""
    paths = {document_key(name): name for name in names}
    return tuple(
        replace(q, relevant={paths[key]: grade for key, grade in q.relevant.items()}) for q in read_beir(folder)
    )


def _about_pages(folder: Path) -> tuple[Question, ...]:
    """Read questions whose evidence is a page; ids of pages are written as names of files are in other sets."""
    return tuple(
        Question(
            q.id, q.text, {key.removesuffix(".txt").replace("%23", "#"): grade for key, grade in q.relevant.items()}
        )
        for q in read_beir(folder)
    )
