"""PDF text through pdfium: lines with their place, joined to paragraphs, large short ones taken as headings."""

import ctypes
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.parse.hidden_pdf import PageSight
from moat.errors import ParsingFailed
from moat.records import Element, ParsedDocument

_HEADING_RATIO = 1.15
_HEADING_CHARS = 120
_DIGITS = re.compile(r"\d+")
_BULLET = re.compile(r"[•‣▪●○◦–\-*]\s+|\(?\d{1,2}[.)]\s+")
_JUNK_TITLE = re.compile(
    r"^(untitled|microsoft (word|powerpoint|excel) - .*|.*\.(docx?|pptx?|xlsx?|indd|tex|pdf))$", re.I
)
_SENTENCE_END = re.compile(r"[.!?:;]['\")\]]?$")


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    left: float
    top: float
    height: float
    hidden: str = ""  # why a reader does not see it


def parse(path: Path, media_type: str, name: str) -> ParsedDocument:
    """Read the text of every page; raises `ParsingFailed` when it is encrypted, damaged, empty or only pictures."""
    document = _open(path, name)
    try:
        pages = [_page_lines(document, number) for number in range(len(document))]
        title = str(document.get_metadata_dict().get("Title") or "").strip()
    finally:
        document.close()
    if not pages:
        raise ParsingFailed(f"{name!r} has no pages.", "Export the PDF again, and send the new file.")
    warnings = tuple(f"Page {i} could not be read." for i, page in enumerate(pages, 1) if page is None)
    lines = _without_running_lines([[line for line in page or [] if not line.hidden] for page in pages])
    hidden = [
        Element("text", line.text, number, mark="hidden")
        for number, page in enumerate(pages, 1)
        for line in page or []
        if line.hidden
    ]
    if not any(lines):
        raise ParsingFailed(
            f"{name!r} has {len(pages)} page(s) but no text: it seems to be scanned.",
            "Reading pictures of text (OCR) is not available yet; send a PDF with text.",
        )
    elements = (*_elements(lines), *hidden)
    return ParsedDocument(elements, "" if _JUNK_TITLE.match(title) else title, len(pages), warnings)


def _open(path: Path, name: str) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        code = getattr(error, "err_code", None)
        if code in (pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY):
            raise ParsingFailed(
                f"{name!r} is protected by a password.", "Save it without a password and send it again."
            ) from error
        raise ParsingFailed(
            f"{name!r} is damaged or cut off: it cannot be opened as a PDF.",
            "Open it with a PDF viewer; if that works, print it to a new PDF and send that.",
        ) from error


def _page_lines(document: pdfium.PdfDocument, index: int) -> list[_Line] | None:
    try:
        page = document[index]
    except pdfium.PdfiumError:
        return None
    try:
        text_page = page.get_textpage()
        try:
            return _judged(list(_lines(text_page, PageSight(page, text_page))))
        finally:
            text_page.close()
    except pdfium.PdfiumError:
        return None
    finally:
        page.close()


def _judged(lines: list[_Line]) -> list[_Line]:
    """Let invisible text be seen where it is most of the page: the layer that text recognition lays over a scan."""
    invisible = sum(len(line.text) for line in lines if line.hidden == "invisible")
    if 2 * invisible < sum(len(line.text) for line in lines):
        return lines
    return [replace(line, hidden="") if line.hidden == "invisible" else line for line in lines]


def _lines(text_page: pdfium.PdfTextPage, sight: PageSight) -> Iterator[_Line]:
    count = text_page.count_chars()
    if count <= 0:
        return
    box = (ctypes.c_double * 4)()
    text = text_page.get_text_range(0, count)
    at = 0  # in UTF-16 units, which is what pdfium counts
    for raw in text.split("\r\n"):
        stripped = raw.strip()
        if stripped:
            # A line's first visible character may be a bullet of another size, so a later one gives the height.
            skipped = len(raw) - len(raw.lstrip())
            left, _, _ = _place(text_page, at + skipped, box)
            later = at + skipped + min(len(stripped) - 1, 3)
            _, top, height = _place(text_page, later, box)
            yield _Line(stripped, left, top, height, sight.hides(later, left, top, height))
        at += len(raw.encode("utf-16-le", "replace")) // 2 + 2


def _place(
    text_page: pdfium.PdfTextPage, index: int, box: "ctypes.Array[ctypes.c_double]"
) -> tuple[float, float, float]:
    """Give left, top and height of a character's line box, from the page's bottom left, in points."""
    rectangle = pdfium_c.FS_RECTF()
    if not pdfium_c.FPDFText_GetLooseCharBox(text_page, index, rectangle):
        return 0.0, 0.0, 0.0
    return rectangle.left, rectangle.top, round(rectangle.top - rectangle.bottom, 1)


def _without_running_lines(pages: list[list[_Line]]) -> list[list[_Line]]:
    """Drop first and last lines that return, but for their numbers, on at least half of the pages."""
    if len(pages) < 4:
        return pages
    edges = Counter(key for page in pages for key in {_DIGITS.sub("#", line.text) for line in page[:2] + page[-2:]})
    running = {key for key, times in edges.items() if times >= max(3, len(pages) // 2)}
    if not running:
        return pages
    kept = []
    for page in pages:
        edge = {0, 1, len(page) - 2, len(page) - 1}
        kept.append([line for i, line in enumerate(page) if not (i in edge and _DIGITS.sub("#", line.text) in running)])
    return kept if any(kept) else pages


def _elements(pages: list[list[_Line]]) -> Iterator[Element]:
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page:
            sizes[line.height] += len(line.text)
    body = sizes.most_common(1)[0][0]
    larger = sorted({size for size in sizes if body and size >= body * _HEADING_RATIO}, reverse=True)
    levels = {size: min(rank, 3) for rank, size in enumerate(larger, 1)}
    for number, page in enumerate(pages, 1):
        for block in _blocks(page, body):
            text = _join(block)
            level = levels.get(block[0].height, 0)
            if level and len(text) <= _HEADING_CHARS and any(c.isalpha() for c in text):
                yield Element("heading", text.replace("\n", " "), number, level)
            else:
                yield Element("list_item" if _BULLET.match(text) else "text", text, number)


def _blocks(page: list[_Line], body: float) -> Iterator[list[_Line]]:
    """Gather lines until a gap, a jump up, another size or a bullet begins a new paragraph."""
    block: list[_Line] = []
    for line in page:
        if block:
            before = block[-1]
            drop = before.top - line.top
            tall = max(before.height, line.height, 1.0)
            resized = abs(before.height - line.height) > 0.12 * tall
            if resized or drop > 1.7 * tall or drop < -0.5 * tall or _BULLET.match(line.text):
                yield block
                block = []
        block.append(line)
    if block:
        yield block


def _join(block: list[_Line]) -> str:
    """Join a paragraph's lines; those that are short against the longest stay apart (tables, addresses)."""
    longest = max(len(line.text) for line in block)
    parts = [block[0].text]
    for before, line in pairwise(block):
        if before.text.endswith(("\ufffe", "\x02")):  # pdfium's mark for a hyphen at a line's end
            parts[-1] = parts[-1][:-1]
            parts.append(line.text)
        elif len(before.text) < 0.6 * longest or (longest < 40 and not _SENTENCE_END.search(before.text)):
            parts.append(f"\n{line.text}")
        else:
            parts.append(f" {line.text}")
    return "".join(parts)
