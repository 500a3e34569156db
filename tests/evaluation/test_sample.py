"""The sample's questions fit its documents, read here without the product's own parsers."""

import email.policy
import json
import re
import subprocess
import sys
import zipfile
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import docx
import openpyxl
import pptx
import pypdfium2
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "evaluation" / "sample"
DOCUMENTS = SAMPLE / "documents"
FILES = sorted(path.relative_to(DOCUMENTS).as_posix() for path in DOCUMENTS.rglob("*") if path.is_file())
QUESTIONS = [json.loads(line) for line in (SAMPLE / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
ANSWERABLE = [question for question in QUESTIONS if question["answerable"]]
GENERATED = [name for name in FILES if name.endswith((".docx", ".pptx", ".xlsx", ".pdf"))]


class _VisibleText(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.parts = 0, []

    def handle_starttag(self, tag, attrs):
        self.hidden += tag in ("script", "style")
        if tag == "br":
            self.parts.append("\n")

    def handle_endtag(self, tag):
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data):
        if not self.hidden:
            self.parts.append(data)


def pages_of(path: Path) -> list[str]:
    """The text of each page or slide; other formats are one page. White space is single spaces."""
    return [" ".join(page.split()) for page in _raw_pages(path)]


def _raw_pages(path: Path) -> list[str]:
    match path.suffix:
        case ".pdf":
            with pypdfium2.PdfDocument(path) as pdf:
                return [page.get_textpage().get_text_range() for page in pdf]
        case ".docx":
            document = docx.Document(str(path))
            cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
            return ["\n".join([paragraph.text for paragraph in document.paragraphs] + cells)]
        case ".pptx":
            return [_slide_text(slide) for slide in pptx.Presentation(str(path)).slides]
        case ".xlsx":
            book = openpyxl.load_workbook(path)
            return ["\n".join(str(c.value) for sheet in book for row in sheet for c in row if c.value is not None)]
        case ".eml":
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            return [message.get_body(("plain", "html")).get_content()]
        case ".html":
            parser = _VisibleText()
            parser.feed(path.read_text(encoding="utf-8"))
            return ["".join(parser.parts)]
        case ".json":
            return [_values(json.loads(path.read_text(encoding="utf-8")))]
        case _:
            return [path.read_text(encoding="utf-8")]


def _slide_text(slide) -> str:
    parts = [slide.notes_slide.notes_text_frame.text]
    for shape in slide.shapes:
        if shape.has_text_frame:
            parts.append(shape.text_frame.text)
        if shape.has_table:
            parts += [cell.text for row in shape.table.rows for cell in row.cells]
    return "\n".join(parts)


def _values(value) -> str:
    if isinstance(value, dict):
        return "\n".join(_values(item) for item in value.values())
    return "\n".join(_values(item) for item in value) if isinstance(value, list) else str(value)


TEXTS = {name: pages_of(DOCUMENTS / name) for name in FILES}


def test_every_format_has_a_file_and_every_file_has_text():
    assert {Path(name).suffix for name in FILES} == {
        *(".md", ".txt", ".html", ".csv", ".json", ".docx", ".pptx", ".xlsx", ".eml", ".pdf")
    }
    assert 20 <= len(FILES) <= 24
    assert [name for name, pages in TEXTS.items() if len(" ".join(pages)) < 500] == []


def test_the_sample_is_small_enough_to_ship():
    assert sum((DOCUMENTS / name).stat().st_size for name in FILES) < 600_000


def test_there_are_25_questions_with_an_answer_and_5_without_under_unique_ids():
    assert Counter(question["answerable"] for question in QUESTIONS) == {True: 25, False: 5}
    assert len({question["_id"] for question in QUESTIONS}) == len(QUESTIONS)
    assert len({question["question"] for question in QUESTIONS}) == len(QUESTIONS)


def test_unanswerable_questions_name_no_source():
    for question in QUESTIONS:
        if not question["answerable"]:
            assert (question["answer"], question["file"], question["sentence"]) == (None, None, None)


def test_every_file_is_asked_about():
    assert {question["file"] for question in ANSWERABLE} == set(FILES)


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question["_id"])
def test_the_sentence_stands_in_its_file_on_the_stated_page_and_nowhere_else(question):
    places = [(name, number, page) for name, pages in TEXTS.items() for number, page in enumerate(pages, 1)]
    found = {(name, number) for name, number, page in places if question["sentence"] in page}
    assert found == {(question["file"], question.get("page", 1))}
    assert question["other_files_with_same_sentence"] == []
    assert ("page" in question) == question["file"].endswith((".pdf", ".pptx"))


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question["_id"])
def test_a_question_does_not_copy_its_sentence(question):
    asked, answered = (re.findall(r"\w{4,}", question[field].lower()) for field in ("question", "sentence"))
    assert len(set(asked) & set(answered)) <= len(set(asked)) / 2


def test_the_manual_is_long_enough_to_need_page_numbers():
    assert len(TEXTS["safety/installation-safety-manual.pdf"]) >= 6


def test_both_parts_of_the_html_mail_say_the_same():
    message = email.message_from_bytes(
        (DOCUMENTS / "mail" / "2026-04-09-bolt-recall.eml").read_bytes(), policy=email.policy.default
    )
    parser = _VisibleText()
    parser.feed(message.get_body(("html",)).get_content())
    plain = message.get_body(("plain",)).get_content()
    assert re.findall(r"\w+", "".join(parser.parts)) == re.findall(r"\w+", plain)


def test_a_rebuild_changes_nothing(tmp_path):
    subprocess.run([sys.executable, REPOSITORY / "deploy/sample/build.py", "--documents", tmp_path], check=True)
    built = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert built == GENERATED
    for name in GENERATED:
        assert _content(tmp_path / name) == _content(DOCUMENTS / name), name


def _content(path: Path) -> object:
    """What the file holds, apart from how hard this machine's zlib pressed it."""
    if path.suffix == ".pdf":
        return pages_of(path)
    with zipfile.ZipFile(path) as archive:
        return [(member.filename, member.date_time, archive.read(member)) for member in archive.infolist()]
