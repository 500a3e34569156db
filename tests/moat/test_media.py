"""What a file is, by its content."""

import io
import random
import zipfile
from pathlib import Path

import pytest

from moat.errors import InvalidRequest, UnsupportedMedia
from moat.media import SUPPORTED, sniff
from tests.fakes import documents
from tests.fakes.compound import compound, outlook
from tests.fakes.mutants import mutants, seeds

OPENXML = "application/vnd.openxmlformats-officedocument."
WORD, SLIDES, SHEETS = (
    f"{OPENXML}{kind}" for kind in ("wordprocessingml.document", "presentationml.presentation", "spreadsheetml.sheet")
)
PDF = documents.pdf([[("Hello", 12)]])
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(40)
MAIL = "Received: from a by b\nMessage-ID: <1@x>\nFrom: a@x\nSubject: Hi\n\nBody\n"
MEMO = "From: Ada\nTo: Bob\nSubject: Lunch\nDate: Monday\n\nAt noon.\n"
CSV = "city,limit\nOslo,190\nLima,80\nRome,150\n"


def told(tmp_path: Path, content: bytes | str, name: str) -> str:
    path = tmp_path / "upload"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return sniff(path.read_bytes()[:8192], path, name)


@pytest.mark.parametrize(
    ("content", "name", "media_type"),
    [
        (PDF, "a.pdf", "application/pdf"),
        (PDF, "page.txt", "application/pdf"),
        (b"\n\n" + PDF, "a.pdf", "application/pdf"),
        (documents.docx(), "a.docx", WORD),
        (documents.docx(), "a.zip", WORD),
        (documents.pptx(), "a.docx", SLIDES),
        (documents.xlsx(), "a", SHEETS),
        (documents.eml(), "a.eml", "message/rfc822"),
        (MAIL, "a.txt", "message/rfc822"),
        (MEMO, "memo.txt", "text/plain"),
        (MEMO, "memo.eml", "message/rfc822"),
        ("# Hi\n\ntext", "a.md", "text/markdown"),
        ("# Hi\n\ntext", "a.txt", "text/plain"),
        ("# Hi\n\ntext", "README", "text/markdown"),
        ("plain words", "notes", "text/plain"),
        ("PKC inhibitors slow the growth.", "a.txt", "text/plain"),
        ("plain words", "a.pdf", "text/plain"),
        ("print(1)", "a.py", "text/plain"),
        (CSV, "a.csv", "text/csv"),
        (CSV, "a", "text/csv"),
        (CSV.replace(",", "\t"), "a.tsv", "text/csv"),
        ("<!DOCTYPE html><p>x", "a.txt", "text/html"),
        ("  <!-- x -->\n<html><body>x", "a", "text/html"),
        ("<p>a fragment</p>", "a.html", "text/html"),
        ('{"a": 1}', "a.json", "application/json"),
        ('{"a": 1}', "a", "application/json"),
        ("[1, 2]", "data", "application/json"),
        ("[a link](b) in Markdown", "a", "text/plain"),
        ("Grüße aus Köln, schöne Straße".encode("cp1252"), "a.txt", "text/plain"),
        ("これは日本語の文章です。会議は金曜日です。".encode("shift_jis"), "a.txt", "text/plain"),
        ("hello wide world".encode("utf-16"), "a.txt", "text/plain"),
        (PNG, "report.pdf", "image/png"),
        (b"\xff\xd8\xff\xe0" + bytes(40), "a.jpg", "image/jpeg"),
        (b"II*\0" + bytes(40), "a.tif", "image/tiff"),
        (b"MM\0*" + bytes(40), "a", "image/tiff"),
        (b"BM\x46\0\0\0" + bytes(40), "a.bmp", "image/bmp"),
        (b"RIFF\x24\0\0\0WEBPVP8 " + bytes(40), "a.webp", "image/webp"),
        ("<?xml version='1.0'?><a/>", "a.xml", "application/xml"),
        (rb"{\rtf1 hello}", "a.txt", "application/rtf"),
        ("Title\n=====\n", "a.rst", "text/x-rst"),
        ("* Title\n", "a.org", "text/x-org"),
        ("= Title\n", "a.adoc", "text/asciidoc"),
        (compound({"WordDocument": b"x"}), "a.doc", "application/msword"),
        (compound({"PowerPoint Document": b"x"}), "a", "application/vnd.ms-powerpoint"),
        (compound({"Workbook": b"x"}), "a.doc", "application/vnd.ms-excel"),
        (outlook("a", "b", "Ada", "Bob"), "a.msg", "application/vnd.ms-outlook"),
        ("é" * 8191, "a.txt", "text/plain"),  # the head cuts a character in two
    ],
)
def test_the_content_decides_and_the_name_breaks_ties_among_texts(
    tmp_path: Path, content: bytes | str, name: str, media_type: str
):
    assert told(tmp_path, content, name) == media_type
    assert media_type in SUPPORTED


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__types__", "[Content_Types].xml"), content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "fact"),
    [
        (b"GIF89a" + bytes(40), "report.pdf", "image/gif"),
        (random.Random(1).randbytes(5000), "a.txt", "binary data"),
        (b"good text at first. " * 500 + bytes(5000) + b"end " * 100, "a.txt", "binary data"),
        (zipped(mimetype=b"x"), "a.docx", "ZIP archive"),
        (
            zipped(__types__=b'<Override ContentType="application/vnd.ms-word.document.macroEnabled.main+xml"/>'),
            "a",
            "macros",
        ),
        (documents.docx()[:3000], "a.docx", "damaged or cut off"),
        (compound({"Unknown": b"x"}), "a.doc", "old Microsoft format"),
        (compound({"EncryptedPackage": b"x"}), "a.docx", "password"),
        (b"\x1f\x8b\x08" + bytes(20), "a.md", "gzip"),
    ],
)
def test_what_no_parser_reads_is_refused_with_the_fact_and_a_way_on(
    tmp_path: Path, content: bytes | str, name: str, fact: str
):
    with pytest.raises(UnsupportedMedia, match=fact) as refused:
        told(tmp_path, content, name)
    assert name in refused.value.detail
    assert refused.value.hint


@pytest.mark.parametrize(
    "media_type",
    [
        "application/epub+zip",
        *(f"application/vnd.oasis.opendocument.{kind}" for kind in ("text", "spreadsheet", "presentation")),
    ],
)
def test_open_documents_and_e_books_state_their_kind(tmp_path: Path, media_type: str):
    assert told(tmp_path, zipped(mimetype=media_type.encode()), "a") == media_type


def test_a_workbook_with_macros_is_read_as_a_workbook(tmp_path: Path):
    types = b'<Override ContentType="application/vnd.ms-excel.sheet.macroEnabled.main+xml"/>'
    assert told(tmp_path, zipped(__types__=types), "a.xlsm") == SHEETS


def test_an_empty_file_is_refused(tmp_path: Path):
    with pytest.raises(InvalidRequest, match="empty"):
        told(tmp_path, b"", "a.txt")


def test_whatever_a_damaged_file_is_it_has_a_kind_or_is_refused(tmp_path: Path) -> None:
    packed = tuple(name[1:] for name, _, content in seeds() if content[:2] != b"PK")
    for name, _, content in mutants(1, 300, leave_out=packed):
        try:
            assert told(tmp_path, content, name) in SUPPORTED
        except (InvalidRequest, UnsupportedMedia) as refused:
            assert refused.hint  # noqa: PT017 (either end is right)
