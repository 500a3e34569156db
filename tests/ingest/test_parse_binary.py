"""Word, PowerPoint, Excel and PDF."""

import io
import subprocess
import sys
import zipfile

import pytest
from docx import Document
from docx.oxml import parse_xml

from ingest.parse.archive import HARMLESS_BYTES, check_expansion
from moat.errors import ParsingFailed
from tests.fakes import documents


def kinds(parsed):
    return [(element.kind, element.text, element.page) for element in parsed.elements]


def test_word_gives_headings_lists_and_table_rows(read):
    parsed = read(documents.docx(), "travel.docx")
    assert parsed.title == "Travel policy"
    assert [(e.kind, e.text, e.level) for e in parsed.elements] == [
        ("heading", "Travel", 1),
        ("text", "Book trains before you book flights.", 0),
        ("heading", "Limits", 2),
        ("list_item", "- Ask your manager first.", 0),
        ("table", "", 0),
    ]
    assert parsed.elements[-1].rows == (("City", "Nightly limit"), ("Lisbon", "140 EUR"), ("Oslo", "190 EUR"))


def test_word_content_controls_and_text_boxes_are_read_where_they_stand(read):
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    paragraph = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>"
    document = Document()
    document.add_paragraph("First.")
    control = f"<w:sdt {space}><w:sdtContent>{paragraph.format('In a control.')}</w:sdtContent></w:sdt>"
    boxed = f"<w:txbxContent>{paragraph.format('In a box.')}</w:txbxContent>"
    anchor = f"<w:p {space}><w:r><w:t>Anchor.</w:t><w:pict>{boxed}</w:pict></w:r></w:p>"
    document.add_paragraph("Last.")
    document.element.body.insert(1, parse_xml(control))
    document.element.body.insert(2, parse_xml(anchor))
    buffer = io.BytesIO()
    document.save(buffer)
    texts = [element.text for element in read(buffer.getvalue(), "a.docx").elements]
    assert texts == ["First.", "In a control.", "Anchor.", "In a box.", "Last."]


def test_powerpoint_pages_are_slides(read):
    parsed = read(documents.pptx(), "roadmap.pptx")
    assert kinds(parsed) == [
        ("heading", "Roadmap", 1),
        ("text", "Ship the importer in March.", 1),
        ("heading", "Budget", 2),
        ("table", "", 2),
    ]
    assert parsed.pages == 2
    assert parsed.elements[-1].rows == (("Team", "Amount"), ("Search", "40,000 EUR"))


def test_excel_pages_are_sheets_under_their_names(read):
    parsed = read(documents.xlsx(), "prices.xlsx")
    assert [(e.kind, e.text, e.page) for e in parsed.elements] == [
        ("heading", "Prices", 1),
        ("table", "", 1),
        ("heading", "Stock", 2),
        ("table", "", 2),
    ]
    assert parsed.elements[1].rows == (("Plan", "Price", "Seats"), ("Team", "12", "5"), ("Firm", "49", "50"))


def test_no_language_model_is_loaded_for_office_files(tmp_path):
    path = tmp_path / "a.docx"
    path.write_bytes(documents.docx())
    code = (
        "import sys; from pathlib import Path; from ingest.parse import parse, SUPPORTED;"
        "parse(Path(sys.argv[1]), next(m for m in SUPPORTED if 'wordprocessing' in m), 'a.docx');"
        "sys.exit(bool({'torch', 'spacy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 0


def test_a_truncated_office_file_is_refused(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(documents.docx()[:-500])
    with pytest.raises(ParsingFailed, match="damaged"):
        check_expansion(path, "a.docx", 200)


def test_an_archive_that_expands_too_much_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"\0" * (HARMLESS_BYTES + 1))
    with pytest.raises(ParsingFailed, match="grows") as failed:
        check_expansion(path, "bomb.docx", 200)
    assert "MOAT_SANDBOX__MAX_EXPANSION" in failed.value.hint


def test_an_archive_of_countless_members_is_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(20_001):
            archive.writestr(str(number), b"")
    path = tmp_path / "many.xlsx"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(ParsingFailed, match="20001 packed files"):
        check_expansion(path, "many.xlsx", 200)


def test_pdf_gives_pages_headings_and_joined_paragraphs(read):
    source = documents.pdf(
        [
            [
                ("Refunds", 24),
                ("", 12),
                ("Customers may return an item within thirty days of the", 12),
                ("purchase, if it is unused.", 12),
                ("", 12),
                ("Gift cards are not refunded under any circumstances ever.", 12),
            ],
            [("Shipping is free above fifty euros in all our countries.", 12)],
        ],
        title="Shop rules",
    )
    parsed = read(source, "rules.pdf")
    assert (parsed.title, parsed.pages) == ("Shop rules", 2)
    assert kinds(parsed) == [
        ("heading", "Refunds", 1),
        ("text", "Customers may return an item within thirty days of the purchase, if it is unused.", 1),
        ("text", "Gift cards are not refunded under any circumstances ever.", 1),
        ("text", "Shipping is free above fifty euros in all our countries.", 2),
    ]


def test_lines_that_return_on_every_page_are_left_out(read):
    source = documents.pdf(
        [
            [
                ("Acme Inc. confidential", 12),
                ("", 12),
                (f"The text of chapter {word} stands here.", 12),
                ("", 12),
                (f"Page {i}", 12),
            ]
            for i, word in enumerate(("one", "two", "three", "four"), 1)
        ]
    )
    texts = [element.text for element in read(source, "c.pdf").elements if not element.mark]
    assert texts == [f"The text of chapter {word} stands here." for word in ("one", "two", "three", "four")]


@pytest.mark.parametrize(
    ("source", "fact"),
    [
        (documents.pdf([[("secret", 12)]], encrypted=True), "protected by a password"),
        (b"%PDF-1.7\n" + bytes(range(256)) * 20, "damaged or cut off"),
        (b"%PDF-1.4\n", "damaged or cut off"),
        (documents.pdf([[], []]), "No text was found"),
    ],
    ids=["encrypted", "noise", "only a header", "no text"],
)
def test_a_pdf_that_cannot_be_read_says_why(read, source, fact):
    with pytest.raises(ParsingFailed, match=fact) as failed:
        read(source, "x.pdf")
    assert failed.value.hint


def test_a_truncated_pdf_is_read_as_far_as_it_goes_or_refused(read):
    whole = documents.pdf([[("The only line of this page.", 12)]])
    for length in range(50, len(whole), 97):
        try:
            texts = [element.text for element in read(whole[:length], "cut.pdf").elements]
        except ParsingFailed:
            texts = []
        assert texts in ([], ["The only line of this page."])
