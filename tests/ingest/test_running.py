"""Running headers stay the same or count the pages; lines whose numbers say something else are content."""

import pytest

from ingest.parse.running import running, shape


@pytest.mark.parametrize(
    ("line", "runs"),
    [
        (lambda page: "Annual report 2025", True),
        (lambda page: f"Page {page + 4} of 90", True),
        (lambda page: f"Salary of the month: {2000 + 37 * page * page} EUR", False),
        (lambda page: f"Certificate {(page * 7919) % 1000}", False),
    ],
    ids=["the same", "counts the pages", "amounts", "numbers of their own"],
)
def test_lines_run_when_they_stay_the_same_or_count_the_pages(line, runs) -> None:
    lines = [(shape(line(page)), page, line(page)) for page in range(12)]
    assert bool(running(lines, 6)) is runs


def test_a_line_on_too_few_pages_does_not_run() -> None:
    assert running([("Annual report", page, "Annual report") for page in range(4)], 5) == set()
