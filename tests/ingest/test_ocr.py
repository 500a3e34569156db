"""Text in pictures and scanned pages, through a real tesseract."""

import io
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from ingest.parse import Options
from ingest.parse import parse as parse_here
from ingest.sandbox import Sandbox
from moat.errors import ParsingFailed
from moat.settings import SandboxSettings
from tests.fakes import documents
from tests.fakes.programs import need

LINES = ("Customers may return an item", "within thirty days of purchase.")


@pytest.fixture
def tesseract() -> None:
    need("tesseract", "tesseract-ocr", installed_by_make=True)


def page(lines: tuple[str, ...] = LINES, heading: str = "") -> Image.Image:
    picture = Image.new("RGB", (1200, 500), "white")
    draw = ImageDraw.Draw(picture)
    if heading:
        draw.text((80, 30), heading, "black", ImageFont.load_default(90))
    for number, line in enumerate(lines):
        draw.text((80, 220 + 55 * number), line, "black", ImageFont.load_default(36))
    return picture


def saved(picture: Image.Image, kind: str, **more: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **more)
    return buffer.getvalue()


@pytest.mark.usefixtures("tesseract")
@pytest.mark.parametrize(("kind", "name"), [("PNG", "a.png"), ("JPEG", "a.jpg"), ("BMP", "a.bmp"), ("WEBP", "a.webp")])
def test_a_picture_gives_its_paragraphs(read, kind, name):
    parsed = read(saved(page(), kind), name)
    assert [(e.kind, e.text, e.page) for e in parsed.elements] == [("text", " ".join(LINES), 1)]


@pytest.mark.usefixtures("tesseract")
def test_every_frame_of_a_tiff_is_a_page_and_large_letters_are_a_heading(read):
    source = saved(page(heading="Refunds"), "TIFF", save_all=True, append_images=[page(("The second page.",))])
    parsed = read(source, "a.tiff")
    assert parsed.pages == 2
    found = [(e.kind, e.text, e.page) for e in parsed.elements]
    assert [(kind, text, number) for kind, text, number in found if kind == "heading"] == [("heading", "Refunds", 1)]
    assert ("text", "The second page.", 2) in found


@pytest.mark.usefixtures("tesseract")
def test_words_split_at_a_lines_end_are_joined(read):
    parsed = read(saved(page(("The company keeps every docu-", "ment for seven years.")), "PNG"), "a.png")
    assert "The company keeps every document for seven years." in [element.text for element in parsed.elements]


@pytest.mark.usefixtures("tesseract")
def test_a_scanned_pdf_is_read_page_by_page(read):
    source = saved(page(), "PDF", save_all=True, append_images=[page(("The second page.",))], resolution=150)
    parsed = read(source, "scan.pdf")
    assert [(e.text, e.page) for e in parsed.elements] == [(" ".join(LINES), 1), ("The second page.", 2)]
    assert parsed.pages == 2


@pytest.mark.usefixtures("tesseract")
def test_only_the_pages_without_text_of_a_mixed_pdf_are_read_as_pictures(read):
    parsed = read(mixed_pdf(), "mixed.pdf")
    assert [(e.text, e.page) for e in parsed.elements] == [
        ("Real text stands on the first page.", 1),
        (" ".join(LINES), 2),
    ]
    assert parsed.warnings == ()


def mixed_pdf() -> bytes:
    import pypdfium2 as pdfium

    joined = pdfium.PdfDocument(documents.pdf([[("Real text stands on the first page.", 12)]]))
    joined.import_pages(pdfium.PdfDocument(saved(page(), "PDF", resolution=150)))
    buffer = io.BytesIO()
    joined.save(buffer)
    return buffer.getvalue()


@pytest.mark.usefixtures("tesseract")
def test_pictures_are_read_in_the_sandbox(tmp_path: Path):
    path = tmp_path / "a"
    path.write_bytes(saved(page(), "PNG"))
    box = Sandbox(SandboxSettings())
    try:
        assert box.parse(path, "image/png", "a.png").elements[0].text == " ".join(LINES)
    finally:
        box.close()


@pytest.mark.usefixtures("tesseract")
def test_missing_language_data_is_named(tmp_path: Path):
    path = tmp_path / "a"
    path.write_bytes(saved(page(), "PNG"))
    with pytest.raises(ParsingFailed, match="no data for xyz") as failed:
        parse_here(path, "image/png", "a.png", Options(ocr_languages="eng+xyz"))
    assert "tesseract-ocr-xyz" in failed.value.hint
    assert "MOAT_SANDBOX__OCR_LANGUAGES" in failed.value.hint


@pytest.mark.usefixtures("tesseract")
def test_pages_beyond_the_bound_are_named_not_lost_silently(tmp_path: Path):
    path = tmp_path / "a"
    path.write_bytes(saved(page(), "PDF", save_all=True, append_images=[page(), page()]))
    parsed = parse_here(path, "application/pdf", "a.pdf", Options(ocr_max_pages=1))
    assert {element.page for element in parsed.elements} == {1}
    (warning,) = parsed.warnings
    assert "2 page(s) from page 2" in warning
    assert "MOAT_SANDBOX__OCR_MAX_PAGES" in warning


def test_a_picture_with_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path):
    path = tmp_path / "a"
    path.write_bytes(saved(Image.new("1", (3000, 3000)), "PNG"))
    with pytest.raises(ParsingFailed, match="3000 x 3000 pixels") as failed:
        parse_here(path, "image/png", "a.png", Options(ocr_max_pixels=1_000_000))
    assert "MOAT_SANDBOX__OCR_MAX_PIXELS" in failed.value.hint


def test_a_damaged_picture_says_so(tmp_path: Path):
    path = tmp_path / "a"
    path.write_bytes(saved(page(), "PNG")[:400])
    with pytest.raises(ParsingFailed, match="damaged or cut off"):
        parse_here(path, "image/png", "a.png")


def test_without_tesseract_a_picture_fails_with_the_way_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "a"
    path.write_bytes(saved(page(), "PNG"))
    with pytest.raises(ParsingFailed, match="tesseract, which reads it, is not installed") as failed:
        parse_here(path, "image/png", "a.png")
    assert "apt-get install tesseract-ocr" in failed.value.hint


def test_without_tesseract_a_mixed_pdf_keeps_its_text_and_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "a"
    path.write_bytes(mixed_pdf())
    parsed = parse_here(path, "application/pdf", "mixed.pdf")
    assert [element.text for element in parsed.elements] == ["Real text stands on the first page."]
    assert "install tesseract" in parsed.warnings[0]
