"""Quotes of answers stand in the originals as other readers see them, and the check notices when not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.citations_on_pages import found
from benchmarks.other_readers import readers_of
from benchmarks.quotes_in_answers import Originals, checks
from tests.fakes import documents
from tests.fakes.api import Api

MAIL = "From: ann@example.com\nSubject: The van\n\nThe van leaves the harbour at seven in the morning.\n"
FILES = {
    "lunch.md": b"# Canteen\n\nLunch is served **at noon** in the canteen on the ground floor.\n",
    "van.eml": MAIL.encode(),
    "report.pdf": documents.pdf(
        [[("The orchard is kept by the first warden.", 12)], [("The quarry is kept by the second warden.", 12)]]
    ),
}
QUESTIONS = ("When is lunch served in the canteen?", "When does the van leave the harbour?", "Who keeps the quarry?")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path, answering={"abstain_below": 0})
    for name, content in FILES.items():
        made.add(name, content)
    yield made
    made.close()


def test_quotes_of_every_kind_of_file_are_looked_up_in_the_original(api: Api, tmp_path: Path) -> None:
    made = list(checks(api.admin, "default", QUESTIONS, tmp_path))
    assert {check.file for check in made} == FILES.keys()
    assert all(check.found == 1.0 and check.span_is_right for check in made)
    assert {check.page for check in made if check.file == "report.pdf"} >= {2}


def test_a_quote_on_another_page_or_beside_its_span_is_noticed(api: Api, tmp_path: Path) -> None:
    body = {"question": QUESTIONS[2], "model": "extractive"}
    said = api.admin.post("/v1/answers", json=body).json()["citations"]
    quarry = next(citation for citation in said if "quarry" in citation["quote"])
    originals = Originals(api.admin, tmp_path)
    assert originals.check(quarry).found == 1.0
    elsewhere = originals.check(quarry | {"page": 1}).found
    assert elsewhere is not None
    assert elsewhere < 0.9
    start, end = quarry["span"]
    assert not originals.check(quarry | {"span": [start + 1, end + 1]}).span_is_right


def test_rows_of_an_html_table_in_markdown_are_found_with_their_heads_and_no_others(tmp_path: Path) -> None:
    page = tmp_path / "courses.md"
    page.write_text(
        "# Courses\n<table><tr><th>Course</th><th>Where</th></tr>\n"
        "<tr>\n  <td>Fire drill. Walk.</td><td>Yard\n</td></tr><tr><td>First aid</td><td>Hall</td></tr></table>\n"
    )
    readers = readers_of(page)
    assert found("Walk.; Where: Yard", 1, readers) == 1.0
    assert found("Course: First aid; Where: Hall", 1, readers) == 1.0
    elsewhere = found("Course: First aid; Where: Attic", 1, readers)
    assert elsewhere is not None
    assert elsewhere < 1.0
