"""Small documents of every format, made when a test asks for them."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from email.message import EmailMessage

from docx import Document
from openpyxl import Workbook
from pptx import Presentation
from pptx.util import Inches


def docx() -> bytes:
    """A handbook page: a title property, two headings, a list and a table."""
    document = Document()
    document.core_properties.title = "Travel policy"
    document.add_heading("Travel", level=1)
    document.add_paragraph("Book trains before you book flights.")
    document.add_heading("Limits", level=2)
    document.add_paragraph("Ask your manager first.", style="List Bullet")
    table = document.add_table(rows=0, cols=2)
    for city, limit in (("City", "Nightly limit"), ("Lisbon", "140 EUR"), ("Oslo", "190 EUR")):
        cells = table.add_row().cells
        cells[0].text, cells[1].text = city, limit
    return _saved(document)


def pptx() -> bytes:
    """Two slides, the second with a table."""
    deck = Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "Roadmap"
    first.placeholders[1].text = "Ship the importer in March."
    second = deck.slides.add_slide(deck.slide_layouts[5])
    second.shapes.title.text = "Budget"
    table = second.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(6), Inches(1)).table
    for row, texts in enumerate((("Team", "Amount"), ("Search", "40,000 EUR"))):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    return _saved(deck)


def xlsx() -> bytes:
    """Two sheets."""
    book = Workbook()
    prices = book.active
    prices.title = "Prices"
    for row in (("Plan", "Price", "Seats"), ("Team", 12, 5), ("Firm", 49, 50)):
        prices.append(row)
    stock = book.create_sheet("Stock")
    for row in (("Item", "Left"), ("Lamp", 7), ("Desk", 2)):
        stock.append(row)
    return _saved(book)


def zipped(members: Mapping[str, bytes | str]) -> bytes:
    """An archive of these members, by path."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in members.items():
            archive.writestr(path, content)
    return buffer.getvalue()


def eml(attachments: Mapping[str, str] | None = None) -> bytes:
    """A mail with a plain body, its HTML twin and a picture, or these texts, attached."""
    mail = EmailMessage()
    mail["Subject"] = "Office closed on Friday — Grüße"
    mail["From"] = "Ada <ada@example.org>"
    mail["To"] = "all@example.org"
    mail["Date"] = "Mon, 02 Mar 2026 10:00:00 +0000"
    mail["Message-ID"] = "<1@example.org>"
    mail.set_content("The office is closed on Friday.\n\nThe alarm is on.\n")
    mail.add_alternative("<p>The office is closed on Friday.</p>", subtype="html")
    for name, text in (attachments or {}).items():
        mail.add_attachment(text.encode(), maintype="application", subtype="octet-stream", filename=name)
    if attachments is None:
        mail.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="plan.png")
    return mail.as_bytes()


def pdf(pages: Sequence[Sequence[tuple[str, int]]], title: str = "", encrypted: bool = False) -> bytes:
    """A PDF of pages of (line, font size), from the top down."""
    streams = [_page_stream(lines) for lines in pages]
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, stream in enumerate(streams):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> "
            + f"/Contents {5 + 2 * number} 0 R >>".encode()
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n".encode() + stream + b"\nendstream")
    objects.append(f"<< /Title ({title}) >>".encode())
    info = f"/Info {len(objects)} 0 R"
    if encrypted:  # no password fits this, the empty one least of all
        objects.append(f"<< /Filter /Standard /V 1 /R 2 /O <{'41' * 32}> /U <{'42' * 32}> /P -4 >>".encode())
        info += f" /Encrypt {len(objects)} 0 R /ID [<{'43' * 16}> <{'43' * 16}>]"
    body = bytearray(b"%PDF-1.4\n")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size, start = len(objects) + 1, len(body)
    body += f"xref\n0 {size}\n0000000000 65535 f \n{table}".encode()
    body += f"trailer << /Size {size} /Root 1 0 R {info} >>\nstartxref\n{start}\n%%EOF".encode()
    return bytes(body)


def _page_stream(lines: Sequence[tuple[str, int]]) -> bytes:
    y, parts = 800.0, []
    for text, size in lines:
        y -= size * 1.2 if text else size * 2
        if text:
            parts.append(f"BT /F1 {size} Tf 1 0 0 1 60 {y:.1f} Tm ({text}) Tj ET")
    return "\n".join(parts).encode("latin-1")


def _saved(document: object) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)  # type: ignore[attr-defined]
    return buffer.getvalue()
