"""Many small files in several formats, every one with words of its own and long enough for several chunks."""

import io
from email.message import EmailMessage

from docx import Document

from tests.fakes.documents import pdf

FORMATS = ("txt", "md", "html", "csv", "eml", "docx", "pdf")


def small_file(number: int, edition: str = "first", paragraphs: int = 10) -> tuple[str, bytes]:
    """Give name and content of the file of that number; its formats take turns."""
    kind = FORMATS[number % len(FORMATS)]
    texts = [_paragraph(number, edition, n) for n in range(paragraphs)]
    return f"note-{number:03}.{kind}", _WRITERS[kind](f"Note {number} {edition}", texts)


def subject(number: int) -> str:
    """Name what only the file of that number speaks of."""
    return f"subject{number:03}"


def _paragraph(number: int, edition: str, n: int) -> str:
    facts = " ".join(f"Item {n}{i} of {subject(number)} stands on shelf {number * 7 + 3 * n + i}." for i in range(8))
    return f"The {edition} edition says in section {n} that {subject(number)} is kept by keeper {number}-{n}. {facts}"


def _txt(title: str, texts: list[str]) -> bytes:
    return "\n\n".join([title, *texts]).encode()


def _md(title: str, texts: list[str]) -> bytes:
    return "\n\n".join([f"# {title}", *(f"## Section {n}\n\n{text}" for n, text in enumerate(texts))]).encode()


def _html(title: str, texts: list[str]) -> bytes:
    body = "".join(f"<h2>Section {n}</h2><p>{text}</p>" for n, text in enumerate(texts))
    return f"<!doctype html><html><head><title>{title}</title></head><body>{body}</body></html>".encode()


def _csv(title: str, texts: list[str]) -> bytes:
    return "\n".join(["section,text", *(f'{title} {n},"{text}"' for n, text in enumerate(texts))]).encode()


def _eml(title: str, texts: list[str]) -> bytes:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = title, "Ada <ada@example.org>", "all@example.org"
    mail["Date"], mail["Message-ID"] = "Mon, 02 Mar 2026 10:00:00 +0000", "<1@example.org>"
    mail.set_content("\n\n".join(texts))
    return mail.as_bytes()


def _docx(title: str, texts: list[str]) -> bytes:
    document = Document()
    document.add_heading(title, level=1)
    for text in texts:
        document.add_paragraph(text)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def _pdf(title: str, texts: list[str]) -> bytes:
    pages = [[(sentence, 10) for sentence in text.split(". ")] for text in texts]
    return pdf([[(title, 18), *pages[0]], *pages[1:]])


_WRITERS = {"txt": _txt, "md": _md, "html": _html, "csv": _csv, "eml": _eml, "docx": _docx, "pdf": _pdf}
