"""Quotes of PDFs, slides and sheets stand where independent readers find them, and the check notices when not."""

import io
import random
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pptx
import pytest
from pptx.util import Inches

from benchmarks.citations_on_pages import check_file, share_on_page, to_markdown
from benchmarks.other_readers import page_readers
from ingest.sandbox import Sandbox
from moat.settings import SandboxSettings
from tests.fakes import documents
from tests.fakes.embedder import WordsEmbedder

WORDS = ("harbour", "orchard", "lantern", "quarry", "meadow", "turbine")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(SandboxSettings())
    yield made
    made.close()


def sentence(page: int, line: int) -> str:
    return f"The {WORDS[page]} of section {line} is kept by warden {page}{line} and nobody else."


def pdf() -> bytes:
    return documents.pdf(
        [
            [("Handbook of the estate", 9), *((sentence(page, line), 12) for line in range(9)), (f"{page + 1} of 6", 9)]
            for page in range(6)
        ]
    )


def deck() -> bytes:
    presentation = pptx.Presentation()
    for page in range(6):
        slide = presentation.slides.add_slide(presentation.slide_layouts[5])
        slide.shapes.title.text = f"About the {WORDS[page]}"
        box = slide.shapes.add_textbox(Inches(1), Inches(2), Inches(6), Inches(3))
        box.text_frame.text = " ".join(sentence(page, line) for line in range(9))
    return saved(presentation)


def book() -> bytes:
    made = openpyxl.Workbook()
    for page in range(3):
        sheet = made.create_sheet(WORDS[page]) if page else made.active
        sheet.append(["Section", "Warden", "Where"])
        for line in range(60):
            sheet.append([line, f"warden {page}{line}", f"the {WORDS[page]}\nbehind gate {line % 7}"])
    return saved(made)


def saved(made: object) -> bytes:
    buffer = io.BytesIO()
    made.save(buffer)  # type: ignore[attr-defined]
    return buffer.getvalue()


@pytest.mark.parametrize(("name", "make"), [("a.pdf", pdf), ("a.pptx", deck), ("a.xlsx", book)])
def test_every_quote_stands_on_its_page_and_at_its_span(sandbox: Sandbox, tmp_path: Path, name: str, make) -> None:
    path = tmp_path / name
    path.write_bytes(make())
    checks = check_file(path, sandbox, WordsEmbedder(max_tokens=64), random.Random(1), 1000)
    assert {check.page for check in checks} == set(range(1, 4 if name == "a.xlsx" else 7))
    assert [check for check in checks if not check.span_is_right or (check.found or 0) < 0.9] == []
    assert "100.00% | 100.00%" in to_markdown(checks)


def test_a_quote_of_another_page_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf())
    quote = " ".join(sentence(2, line) for line in range(4))
    for read in page_readers(path):
        assert share_on_page(quote, read(3)) == 1
        assert share_on_page(quote, read(4)) < 0.9


def test_the_values_of_two_rows_are_no_row() -> None:
    sheet = "Plan\nName\tCost\nTeam\t3\nFirm\t5"
    assert share_on_page("Name: Team; Cost: 3", sheet) == 1
    assert share_on_page("Name: Team; Cost: 5", sheet) == 0
