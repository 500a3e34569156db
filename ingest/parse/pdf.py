"""PDF through pdfium: lines joined to paragraphs, large or bold short ones taken as headings, pictures through OCR."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.parse.ocr import Ocr
from ingest.parse.options import Options
from ingest.parse.pdf_layout import Line, page_lines, without_running_lines
from moat.errors import ParsingFailed
from moat.records import Element, ParsedDocument

_HEADING_RATIO = 1.15
_HEADING_CHARS = 120
# Bold lines as tall as the text stand below the three levels of larger ones. Those in the middle, in capitals or at a
# page's beginning stand above the others, which begin in the first part of the width, and not over a table's column.
_BOLD_TITLE, _BOLD = 4, 5
_NEAR, _BEGINS = 0.1, 0.3  # of the width of a page's text
_BULLET = re.compile(r"[•‣▪●○◦–\-*]\s+|\(?\d{1,2}[.)]\s+")
_JUNK_TITLE = re.compile(
    r"^(untitled|microsoft (word|powerpoint|excel) - .*|.*\.(docx?|pptx?|xlsx?|indd|tex|pdf))$", re.I
)
_SENTENCE_END = re.compile(r"[.!?:;]['\")\]]?$")


_HYPHENS = ("\ufffe", "\x02")  # pdfium's marks for a hyphen at a line's end
_FEW_CHARS = 12  # a stamp or a page number on a scanned page
_DPI = 300


def parse(path: Path, media_type: str, name: str, options: Options) -> ParsedDocument:
    """Read every page; raises `ParsingFailed` when it is encrypted, damaged, empty, or only unreadable pictures."""
    document = _open(path, name)
    try:
        pages = [_page_lines(document, number) for number in range(len(document))]
        title = str(document.get_metadata_dict().get("Title") or "").strip()
        if not pages:
            raise ParsingFailed(f"{name!r} has no pages.", "Export the PDF again, and send the new file.")
        scanned = [i for i, page in enumerate(pages) if page is not None and _says_little(page)]
        read, warnings = _read_pictures(document, scanned, Ocr(name, options), options.ocr_max_pixels)
    except ParsingFailed as failed:
        if not any(page for page in pages or []):
            raise
        read, warnings = {}, [f"{failed.detail} {failed.hint}"]
    finally:
        document.close()
    warnings += [f"Page {i} could not be read." for i, page in enumerate(pages, 1) if page is None]
    seen = [[line for line in page or [] if not line.hidden] for page in pages]
    lines, running = without_running_lines([[] if i in read else page for i, page in enumerate(seen)])
    hidden = (
        Element("text", line.text, number, mark="hidden")
        for number, page in enumerate(pages, 1)
        for line in page or []
        if line.hidden
    )
    elements = (*_elements(lines, running, read), *hidden)
    return ParsedDocument(elements, "" if _JUNK_TITLE.match(title) else title, len(pages), tuple(warnings))


def _says_little(page: list[Line]) -> bool:
    return sum(sum(map(str.isalnum, line.text)) for line in page) < _FEW_CHARS


def _read_pictures(
    document: pdfium.PdfDocument, indexes: list[int], ocr: Ocr, max_pixels: int
) -> tuple[dict[int, list[Element]], list[str]]:
    """Give the elements of the pages that are pictures, one page rendered at a time."""
    found: dict[int, list[Element]] = {}
    left: list[int] = []
    for index in indexes:
        page = document[index]
        try:
            if next(page.get_objects(max_depth=1), None) is None:
                continue  # a blank page
            if not ocr.has_room():
                left.append(index + 1)
                continue
            width, height = page.get_size()
            scale = min(_DPI / 72, math.sqrt(max_pixels / max(width * height, 1.0)))
            if elements := ocr.read(page.render(scale=scale, grayscale=True).to_pil(), index + 1):
                found[index] = elements
        finally:
            page.close()
    return found, [ocr.left_out(left)] if left else []


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


def _page_lines(document: pdfium.PdfDocument, index: int) -> list[Line] | None:
    try:
        page = document[index]
    except pdfium.PdfiumError:
        return None
    try:
        return page_lines(page)
    except pdfium.PdfiumError:
        return None
    finally:
        page.close()


def _elements(pages: list[list[Line]], running: list[list[Line]], read: dict[int, list[Element]]) -> Iterator[Element]:
    sizes: Counter[float] = Counter()
    weights: Counter[bool] = Counter()
    for page in pages:
        for line in page:
            sizes[line.height] += len(line.text)
            weights[line.bold] += len(line.text)
    body = sizes.most_common(1)[0][0] if sizes else 0.0
    larger = sorted({size for size in sizes if body and size >= body * _HEADING_RATIO}, reverse=True)
    levels = {size: min(rank, 3) for rank, size in enumerate(larger, 1)}
    if weights[True] > weights[False]:  # where most is bold, boldness says nothing
        pages = [[replace(line, bold=False) for line in page] for page in pages]
    for number, page in enumerate(pages, 1):
        yield from read.get(number - 1, ())
        for block in _blocks(page):
            text = _join(block)
            level = levels.get(block[0].height, 0) or _bold_level(block, page)
            if level and len(text) <= _HEADING_CHARS and any(c.isalpha() for c in text):
                yield Element("heading", text.replace("\n", " "), number, level)
            else:
                yield Element("list_item" if _BULLET.match(text) else "text", text, number)
        yield from (Element("text", line.text, number, mark="running") for line in running[number - 1])


def _bold_level(block: list[Line], page: list[Line]) -> int:
    """Give the level of bold lines that say what follows; 0 for others, as a sentence or the heads of columns."""
    text = " ".join(line.text for line in block)
    telling = sum(map(str.isalpha, text)) > len(text.replace(" ", "")) / 2
    if not telling or text[-1] in ".,;)" or not all(line.bold and not line.gaps for line in block):
        return 0
    left, right = min(line.left for line in page), max(line.right for line in page)
    centered = all(abs(line.left + line.right - left - right) <= _NEAR * (right - left) for line in block)
    if centered or text.isupper() or block[0] is page[0]:
        return _BOLD_TITLE
    return _BOLD if block[0].left <= left + _BEGINS * (right - left) else 0


def _blocks(page: list[Line]) -> Iterator[list[Line]]:
    """Gather lines until a gap, a jump up, another size or weight, or a bullet begins a new paragraph."""
    block: list[Line] = []
    for line in page:
        if block:
            before = block[-1]
            drop = before.top - line.top
            tall = max(before.height, line.height, 1.0)
            resized = abs(before.height - line.height) > 0.12 * tall
            runs_on = line.text[:1].islower() and not _SENTENCE_END.search(before.text)  # into the next column
            rises = drop < -0.5 * tall and not runs_on
            reweighted = before.bold != line.bold and not line.text[:1].islower()
            in_columns = before.bold and line.bold and bool(before.gaps) != bool(line.gaps)
            if resized or reweighted or in_columns or drop > 1.7 * tall or rises or _BULLET.match(line.text):
                yield block
                block = []
        block.append(line)
    if block:
        yield block


def _join(block: list[Line]) -> str:
    """Join a paragraph's lines; those that are short against the longest stay apart (tables, addresses)."""
    longest = max(len(line.text) for line in block)
    parts = [block[0].text]
    for before, line in pairwise(block):
        if before.text.endswith(_HYPHENS):
            parts[-1] = parts[-1][:-1]
            parts.append(line.text)
        elif len(before.text) < 0.6 * longest or (longest < 40 and not _SENTENCE_END.search(before.text)):
            parts.append(f"\n{line.text}")
        else:
            parts.append(f" {line.text}")
    text = "".join(parts)
    return text[:-1] + "-" if text.endswith(_HYPHENS) else text
