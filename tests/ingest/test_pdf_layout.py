"""Reading order, running lines and split words of PDFs, on pages drawn in the orders that programs write them in."""

import io

import pytest
from reportlab.pdfgen.canvas import Canvas

LEFT = [f"The left column tells part {n} of the story" for n in range(1, 11)]
RIGHT = [f"The right column tells part {n} of the end" for n in range(1, 11)]


def drawn(*pages: list[tuple[float, float, str]], size: float = 10) -> bytes:
    """Pages of (x, y, text), written in the order given."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(595, 842))
    for page in pages:
        canvas.setFont("Helvetica", size)
        for x, y, text in page:
            canvas.drawString(x, y, text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def two_columns(by_row: bool) -> list[tuple[float, float, str]]:
    left = [(50, 700 - 12.0 * i, text) for i, text in enumerate(LEFT)]
    right = [(320, 700 - 12.0 * i, text) for i, text in enumerate(RIGHT)]
    rows = [part for pair in zip(left, right, strict=True) for part in pair]
    title = (50, 740.0, "A title that stands above both of the columns and is wider than one of them")
    return [title, *(rows if by_row else left + right)]


@pytest.mark.parametrize("by_row", [True, False], ids=["written by row", "written by column"])
def test_two_columns_are_read_one_after_the_other(read, by_row):
    text = "\n".join(element.text for element in read(drawn(two_columns(by_row)), "a.pdf").elements)
    places = [text.index(part) for part in ["A title that", *LEFT, *RIGHT]]
    assert places == sorted(places)


def test_a_table_is_not_taken_for_two_columns(read):
    rows = [
        (x, 700 - 14.0 * i, text) for i in range(12) for x, text in ((50, f"Item {i} of the list"), (400, f"{i}.00"))
    ]
    text = " ".join(element.text for element in read(drawn(rows), "a.pdf").elements)
    assert "Item 3 of the list 3.00" in " ".join(text.split())


def test_headers_that_change_from_left_to_right_pages_are_left_out(read):
    def page(number: int) -> list[tuple[float, float, str]]:
        side = "Annual report" if number % 2 else "Acme Incorporated"
        body = [(50, 700 - 40.0 * i, f"Paragraph {'abcde'[i]} of sheet {'uvwxyzst'[number]}.") for i in range(5)]
        return [*body, (50, 810, side), (290, 25, f"{number} of 8")]

    elements = read(drawn(*(page(n) for n in range(8))), "a.pdf").elements
    texts = [element.text for element in elements if not element.mark]
    assert {element.mark for element in elements} == {"", "running"}
    assert len(texts) == 40
    assert all(text.startswith("Paragraph") for text in texts)


def test_a_line_that_returns_in_the_middle_of_pages_stays(read):
    def page(number: int) -> list[tuple[float, float, str]]:
        lines = [(50, 600 - 40.0 * i, f"Line {'abcdef'[i]} of sheet {'uvwx'[number]}.") for i in range(6)]
        lines[3] = (50, 480, "See the appendix.")
        return lines

    texts = [element.text for element in read(drawn(*(page(n) for n in range(4))), "a.pdf").elements]
    assert texts.count("See the appendix.") == 4


def test_words_split_at_a_lines_end_are_joined_and_other_hyphens_kept(read):
    lines = ["The company keeps all docu-", "ments in a well-known place for years."]
    source = drawn([(50, 700 - 12.0 * i, line) for i, line in enumerate(lines)])
    (element,) = read(source, "a.pdf").elements
    assert element.text == "The company keeps all documents in a well-known place for years."
