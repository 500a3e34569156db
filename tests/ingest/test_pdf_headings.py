"""Bold lines of PDFs as headings: which are, at what level, and which only look like it."""

import io
from collections.abc import Sequence

from reportlab.pdfgen.canvas import Canvas

Piece = tuple[float, float, str, bool]  # x, y, text, whether it is bold
WIDE = "The amounts below are in millions, but for the number of shares and what is said of one share."


def drawn(*pages: Sequence[Piece]) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(595, 842))
    for page in pages:
        for x, y, text, bold in page:
            canvas.setFont("Helvetica-Bold" if bold else "Helvetica", 10)
            canvas.drawString(x, y, text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def seen(read, *pages: Sequence[Piece]) -> list[tuple[str, str, int]]:
    return [(e.kind, e.text, e.level) for e in read(drawn(*pages), "a.pdf").elements]


def test_bold_lines_head_what_stands_below_them_even_without_a_gap(read):
    page = [
        (50, 750, WIDE, False),
        (50, 700, "Note 21. Legal proceedings", True),
        (50, 688, "Several actions have been filed against us, none of which is decided.", False),
    ]
    assert seen(read, page) == [
        ("text", WIDE, 0),
        ("heading", "Note 21. Legal proceedings", 5),
        ("text", "Several actions have been filed against us, none of which is decided.", 0),
    ]


def test_titles_stand_above_the_parts_of_their_page(read):
    page = [
        (50, 750, "Consolidated balance sheet", True),
        (50, 738, "At the end of the year", True),
        (50, 700, WIDE, False),
        (50, 680, "Assets", True),
        (50, 668, "Cash", False),
        (450, 668, "2,853", False),
        (50, 640, "LIABILITIES AND EQUITY", True),
        (50, 628, "Accounts payable", False),
        (450, 628, "2,266", False),
    ]
    headings = [(text, level) for kind, text, level in seen(read, page) if kind == "heading"]
    assert headings == [
        ("Consolidated balance sheet At the end of the year", 4),
        ("Assets", 5),
        ("LIABILITIES AND EQUITY", 4),
    ]


def test_bold_rows_heads_of_columns_and_sentences_are_no_headings(read):
    page = [
        (50, 760, WIDE, False),
        (50, 730, "Total assets", True),
        (450, 730, "36,500", True),
        (400, 700, "Provision", True),
        (50, 670, "Do not switch the machine off while it is reading.", True),
        (50, 640, "2018 2017 2016", True),
    ]
    assert {kind for kind, _, _ in seen(read, page)} == {"text"}


def test_where_most_is_bold_boldness_says_nothing(read):
    page = [(50, 750 - 30.0 * n, f"Every line of sheet {'abcdefgh'[n]} is bold", True) for n in range(8)]
    assert {kind for kind, _, _ in seen(read, page)} == {"text"}


def test_a_line_that_is_bold_in_part_stays_in_its_paragraph(read):
    page = [
        (50, 750, "Deposits: ", True),
        (105, 750, "they are due when the contract is signed, and they are paid back", False),
        (50, 738, "when it ends.", False),
    ]
    assert [kind for kind, _, _ in seen(read, page)] == ["text"]
