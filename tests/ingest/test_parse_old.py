"""XML, Excel of before 2007 and Outlook's mail files."""

import struct
from pathlib import Path

import pytest

from ingest.parse import parse as parse_here
from moat.errors import ParsingFailed
from tests.fakes.compound import outlook

BOOK = """<?xml version="1.0"?><book xmlns="urn:x"><title>Travel</title>
<section><title>Limits</title><para>Ask <b>first</b>, then<br/> book.</para>
<img alt="A map of the office"/>
<table><title>Nightly</title><tgroup><thead><row><entry>City</entry><entry>Limit</entry></row></thead>
<row><entry>Oslo</entry><entry>190 <b>EUR</b></entry></row></tgroup></table>
<listitem><para>Keep receipts.</para></listitem></section>
<order><id>17</id><customer>Ada</customer></order></book>"""


def test_xml_gives_titles_text_attributes_tables_items_and_facts(read):
    parsed = read(BOOK, "book.xml")
    assert parsed.title == "Travel"
    assert [(e.kind, e.text or e.rows, e.level) for e in parsed.elements] == [
        ("heading", "Travel", 1),
        ("heading", "Limits", 2),
        ("text", "Ask first, then", 0),
        ("text", "book.", 0),
        ("text", "img: A map of the office", 0),
        ("text", "Nightly", 0),
        ("table", (("City", "Limit"), ("Oslo", "190 EUR")), 0),
        ("list_item", "- Keep receipts.", 0),
        ("text", "id: 17\ncustomer: Ada", 0),
    ]


def test_markup_inside_an_xml_value_is_read_as_a_page(read):
    parsed = read(
        "<?xml version='1.0'?><feed><body>&lt;p&gt;One&lt;/p&gt;&lt;p&gt;Two&lt;/p&gt;</body></feed>", "a.xml"
    )
    assert [element.text for element in parsed.elements] == ["One", "Two"]


def test_xml_fetches_nothing(read, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("the secret")
    source = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY s SYSTEM "file://{secret}">]><a><p>before &s; after</p></a>'
    assert [element.text for element in read(source, "a.xml").elements] == ["before after"]


def test_an_xml_bomb_is_refused(read):
    lines = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    source = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l0 "ha ha ha ha">{lines}]><a>&l9;</a>'
    with pytest.raises(ParsingFailed, match="not valid XML"):
        read(source, "bomb.xml")


def test_broken_xml_says_so(read):
    with pytest.raises(ParsingFailed, match="not valid XML") as failed:
        read("<?xml version='1.0'?><a><b></a>", "a.xml")
    assert failed.value.hint


def old_sheet() -> bytes:
    """A sheet of Excel 2, the oldest and simplest kind."""

    def record(kind: int, content: bytes) -> bytes:
        return struct.pack("<HH", kind, len(content)) + content

    def label(row: int, column: int, text: str) -> bytes:
        return record(0x04, struct.pack("<HH3xB", row, column, len(text)) + text.encode())

    def amount(row: int, column: int, value: float) -> bytes:
        return record(0x03, struct.pack("<HH3xd", row, column, value))

    cells = label(0, 0, "City") + label(0, 1, "Limit") + label(1, 0, "Oslo") + amount(1, 1, 190)
    cells += label(3, 0, "Checked twice.") + label(4, 0, "Half") + amount(4, 2, 0.5)
    return record(0x09, struct.pack("<HH", 2, 0x10)) + cells + record(0x0A, b"")


def test_old_excel_gives_sheets_with_tables_parted_at_blank_rows(tmp_path: Path):
    path = tmp_path / "a.xls"
    path.write_bytes(old_sheet())
    parsed = parse_here(path, "application/vnd.ms-excel", "a.xls")
    assert [(e.kind, e.text or e.rows, e.page) for e in parsed.elements] == [
        ("heading", "Sheet 1", 1),
        ("table", (("City", "Limit"), ("Oslo", "190")), 1),
        ("table", (("Checked twice.", ""), ("Half", "0.5")), 1),
    ]


def test_damaged_old_excel_says_so(tmp_path: Path):
    path = tmp_path / "a.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    with pytest.raises(ParsingFailed) as failed:
        parse_here(path, "application/vnd.ms-excel", "a.xls")
    assert "xlsx" in failed.value.hint


def test_an_outlook_message_gives_its_facts_and_body(read):
    parsed = read(outlook("Office closed", "It is closed on Friday.\r\n\r\nThe alarm is on.", "Ada", "Bob"), "a.msg")
    assert parsed.title == "Office closed"
    assert [(e.kind, e.text) for e in parsed.elements] == [
        ("title", "Office closed"),
        ("text", 'From: "Ada" <ada@example.org>\nTo: Bob <bob@example.org>'),
        ("text", "It is closed on Friday."),
        ("text", "The alarm is on."),
    ]


def test_a_damaged_outlook_message_says_so(tmp_path: Path):
    path = tmp_path / "a.msg"
    path.write_bytes(outlook("a", "b", "Ada", "Bob")[:1500])
    with pytest.raises(ParsingFailed, match="Outlook message"):
        parse_here(path, "application/vnd.ms-outlook", "a.msg")
