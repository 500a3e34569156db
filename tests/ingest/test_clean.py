"""Canonical text: clean, with the place of every element."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.clean import to_canonical
from ingest.cleaning import clean_elements
from moat.pipeline_settings import CleaningSettings
from moat.records import Element, PageSpan, ParsedDocument


def canonical(*elements, title="", name="file.txt"):
    cleaned, _ = clean_elements(ParsedDocument(elements, title), CleaningSettings())
    return to_canonical(cleaned, name)


def test_invisible_characters_and_odd_spaces_go():
    text, _ = canonical(Element("text", "ze\u200bro\u00ad  width\u00a0and\u202etags\U000e0041\x07 e\u0301 a\u200db"))
    assert text.text == "zero width andtags é ab"


def test_joiners_stay_where_a_script_needs_them():
    persian = "می\u200cخواهم"
    assert canonical(Element("text", persian))[0].text == persian


def test_code_keeps_its_indents():
    assert canonical(Element("code", "if a:\n\tb()  \n"))[0].text == "if a:\n    b()"


def test_list_items_stand_together_and_paragraphs_apart():
    text, _ = canonical(
        Element("text", "A"), Element("list_item", "- b"), Element("list_item", "- c"), Element("text", "D")
    )
    assert text.text == "A\n\n- b\n- c\n\nD"


def test_every_table_row_names_its_values():
    rows = (("Plan", "Price", "2025"), ("Team", "12", ""), ("Firm", "", "7", "extra"))
    text, (block,) = canonical(Element("table", "", rows=rows))
    assert text.text == "Plan: Team; Price: 12\nPlan: Firm; 2025: 7; extra"
    assert [text.text[start:end] for start, end in block.lines] == text.text.split("\n")


@pytest.mark.parametrize(
    "rows",
    [
        (("1", "2"), ("3", "4")),
        (("a", "a"), ("3", "4")),
        (("a" * 81, "b"), ("3", "4")),
        (("a", "", ""), ("3", "4", "5")),
    ],
    ids=["numbers", "repeated", "long", "mostly empty"],
)
def test_a_first_row_that_is_no_header_is_a_row(rows):
    text, _ = canonical(Element("table", "", rows=rows))
    assert text.text == "\n".join(" | ".join(cell for cell in row if cell) for row in rows)


def test_the_heading_path_follows_the_levels():
    _, blocks = canonical(
        Element("heading", "A", level=1),
        Element("heading", "B", level=2),
        Element("text", "x"),
        Element("heading", "C", level=2),
        Element("heading", "D", level=1),
        Element("text", "y"),
    )
    assert [block.heading_path for block in blocks] == [("A",), ("A", "B"), ("A", "B"), ("A", "C"), ("D",), ("D",)]


def test_the_page_map_tells_where_each_page_stands():
    text, _ = canonical(Element("text", "one", 1), Element("text", "more", 1), Element("text", "two", 3))
    assert text.page_map == (PageSpan(1, 0, 9), PageSpan(3, 11, 14))
    assert [text.text[span.start : span.end] for span in text.page_map] == ["one\n\nmore", "two"]


@pytest.mark.parametrize(
    ("own", "heading", "title"), [("Own\n title", "H", "Own title"), ("", "H", "H"), ("", "", "price list")]
)
def test_the_title_is_the_files_own_then_the_first_heading_then_its_name(own, heading, title):
    found, _ = canonical(Element("heading", heading, level=1), Element("text", "x"), title=own, name="price list.docx")
    assert found.title == title


ELEMENTS = st.lists(
    st.builds(
        Element,
        kind=st.sampled_from(["title", "heading", "text", "list_item", "code"]),
        text=st.text(max_size=200),
        page=st.one_of(st.none(), st.integers(1, 5)),
        level=st.integers(0, 4),
    )
    | st.builds(
        Element,
        kind=st.just("table"),
        text=st.just(""),
        rows=st.lists(st.lists(st.text(max_size=9)).map(tuple)).map(tuple),
    ),
    max_size=12,
).map(tuple)


@settings(deadline=None)
@given(ELEMENTS)
def test_blocks_cover_all_text_in_order_whatever_the_elements(elements):
    text, blocks = canonical(*elements)
    assert unicodedata.is_normalized("NFC", text.text) or any(unicodedata.combining(c) for c in text.text)
    text.text.encode()  # no half surrogates
    at = 0
    for block in blocks:
        assert not text.text[at : block.start].strip()
        assert at <= block.start < block.end
        assert text.text[block.start : block.end].strip()
        at = block.end
    assert at == len(text.text)
