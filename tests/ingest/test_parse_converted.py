"""What pandoc and LibreOffice make readable, inside the sandbox and out of it."""

import shutil
import subprocess
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from ingest.parse import parse as parse_here
from ingest.parse.programs import program_of
from ingest.sandbox import Sandbox
from moat.errors import ParsingFailed
from moat.settings import SandboxSettings
from tests.fakes import documents
from tests.fakes.programs import need

RST = (
    "Travel\n======\n\nBook early.\n\nLimits\n------\n\n- Ask first.\n\n"
    "====== =====\nCity   Limit\n====== =====\nOslo   190\n====== =====\n"
)
ORG = "#+TITLE: Travel\n\nBook early.\n\n* Limits\n- Ask first.\n\n| City | Limit |\n|------+-------|\n| Oslo | 190 |\n"
ADOC = "= Travel\n\nBook early.\n\n== Limits\n\n* Ask first.\n\n|===\n|City |Limit\n\n|Oslo |190\n|===\n"
RTF = r"{\rtf1\ansi {\pard\outlinelevel0 Travel\par}{\pard Book early, caf\'e9.\par}}"


def shape(parsed):
    return [(e.kind, e.text or e.rows) for e in parsed.elements]


@pytest.mark.parametrize(("content", "name"), [(RST, "a.rst"), (ORG, "a.org"), (ADOC, "a.adoc")])
def test_markup_gives_title_headings_lists_and_tables(read, content, name):
    parsed = read(content, name)
    assert parsed.title == "Travel"
    assert shape(parsed)[0][1] == "Travel"
    assert shape(parsed)[1:] == [
        ("text", "Book early."),
        ("heading", "Limits"),
        ("list_item", "- Ask first."),
        ("table", (("City", "Limit"), ("Oslo", "190"))),
    ]


def test_what_steers_an_asciidoc_writer_is_told_from_its_text(read):
    parsed = read(f":experimental:\n\n[id=one]\n{ADOC}\nPress btn:[Save].\n", "a.adoc")
    (steering,) = [element for element in parsed.elements if element.mark]
    assert (steering.mark, steering.text.split("\n")) == ("boilerplate", [":experimental:", "[id=one]", "btn:"])


def test_rtf_is_read_with_its_own_encoding(read):
    assert "Book early, café." in [element.text for element in read(RTF, "a.rtf").elements]


def test_markup_cannot_read_other_files(read, tmp_path: Path):
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    parsed = read(f"Visible.\n\n.. include:: {secret}\n\n.. raw:: html\n   :file: {secret}\n", "a.rst")
    assert [element.text for element in parsed.elements] == ["Visible."]


def open_document(media_type: str, body: str) -> bytes:
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{space}:1.0"'
        for name, space in (
            *(("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing")),
            *(("presentation", "presentation"), ("style", "style")),
        )
    )
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", media_type)
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr("styles.xml", f"<office:document-styles {spaces}/>")
        head, _, rest = body.rpartition("<office:body/>")
        archive.writestr(
            "content.xml",
            f"<office:document-content {spaces}>{head}<office:body>{rest}</office:body></office:document-content>",
        )
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["odt", "epub"])
def test_packed_texts_are_read(read, kind):
    page = b"<h1>Travel</h1><p>Book early.</p><ul><li>Ask first.</li></ul>"
    make = [program_of("pandoc"), "--from=html", f"--to={kind}", "--metadata=title:Travel", "--output=-"]
    made = subprocess.run(make, input=page, capture_output=True, check=True)
    found = shape(read(made.stdout, f"a.{kind}"))
    assert found[-2:] == [("text", "Book early."), ("list_item", "- Ask first.")]
    assert ("heading", "Travel") in found


def test_a_damaged_text_is_the_documents_failure(read):
    with pytest.raises(ParsingFailed, match="could not be read by pandoc") as failed:
        read(open_document("application/vnd.oasis.opendocument.text", "<office:text/>"), "a.odt")
    assert failed.value.hint


def test_open_document_sheets_are_pages_with_repeated_cells_written_out_and_hidden_ones_left_out(read):
    def cell(text: str, more: str = "") -> str:
        return f"<table:table-cell {more}><text:p>{text}</text:p></table:table-cell>"

    style = '<style:style style:name="h"><style:table-properties table:display="false"/></style:style>'
    hidden = f"<office:automatic-styles>{style}</office:automatic-styles>"
    twice = cell("190", 'table:number-columns-repeated="2"')
    rows = "".join(f"<table:table-row>{cells}</table:table-row>" for cells in (cell("City") + cell("Limit"), twice))
    sheets = f'<table:table table:name="Prices">{rows}</table:table>'
    sheets += f'<table:table table:name="Old" table:style-name="h">{rows}</table:table>'
    source = f"{hidden}<office:body/><office:spreadsheet>{sheets}</office:spreadsheet>"
    parsed = read(open_document("application/vnd.oasis.opendocument.spreadsheet", source), "a.ods")
    assert shape(parsed) == [("heading", "Prices"), ("table", (("City", "Limit"), ("190", "190")))]
    assert [element.page for element in parsed.elements] == [1, 1]


def test_open_document_slides_are_pages(read):
    def frame(text: str, kind: str = "outline") -> str:
        return f'<draw:frame presentation:class="{kind}"><draw:text-box>{text}</draw:text-box></draw:frame>'

    item = "<text:list><text:list-item><text:p>Ship it.</text:p></text:list-item></text:list>"
    first = frame("<text:p>Roadmap</text:p>", "title") + frame(item)
    slides = "".join(f"<draw:page>{frames}</draw:page>" for frames in (first, frame("<text:p>End.</text:p>")))
    source = f"<office:presentation>{slides}</office:presentation>"
    parsed = read(open_document("application/vnd.oasis.opendocument.presentation", source), "a.odp")
    assert [(e.kind, e.text, e.page) for e in parsed.elements] == [
        ("heading", "Roadmap", 1),
        ("list_item", "- Ship it.", 1),
        ("text", "End.", 2),
    ]
    assert parsed.pages == 2


def test_the_sandbox_lets_a_format_start_its_own_program(tmp_path: Path):
    path = tmp_path / "a"
    path.write_text(RST)
    box = Sandbox(SandboxSettings())
    try:
        assert box.parse(path, "text/x-rst", "a.rst") == parse_here(path, "text/x-rst", "a.rst")
    finally:
        box.close()


@pytest.mark.parametrize(
    ("media_type", "after"), [("application/msword", "docx"), ("application/vnd.ms-powerpoint", "pptx")]
)
def test_old_office_files_name_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, media_type: str, after: str
):
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(ParsingFailed, match="LibreOffice, which is not installed") as failed:
        parse_here(path, media_type, "a")
    assert after in failed.value.hint
    assert "apt-get install libreoffice" in failed.value.hint


def test_old_word_files_are_read_through_libreoffice(tmp_path: Path):
    need("soffice", "libreoffice", installed_by_make=False)
    (tmp_path / "a.docx").write_bytes(documents.docx())
    office = shutil.which("soffice") or ""
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    subprocess.run(
        [office, profile, "--headless", "--convert-to", "doc", "--outdir", str(tmp_path), str(tmp_path / "a.docx")],
        check=True,
    )
    box = Sandbox(SandboxSettings())
    try:
        parsed = box.parse(tmp_path / "a.doc", "application/msword", "a.doc")
    finally:
        box.close()
    assert ("heading", "Travel") in shape(parsed)
    assert ("list_item", "- Ask your manager first.") in shape(parsed)
