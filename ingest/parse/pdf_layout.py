"""The lines of a PDF's page in reading order: columns told apart, running headers and footers left out."""

import ctypes
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from statistics import median

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from ingest.parse.hidden_pdf import PageSight
from ingest.parse.running import running, shape

_SPLIT_WORD = re.compile(r"[\ufffe\x02](?=\w)")  # pdfium joins a word split at a line's end, and marks the seam
_LEAST_LINES = 8  # in each of two columns
_COLUMN_WIDTH = 0.3  # of the text's width, at least, so that a table's columns are no columns of text
_CROSSING = 0.2  # of the lines, at most, may cross the gutter: titles and captions
_EDGE_ZONE = 0.12  # of the page's height
_SAME_PLACE = 6.0  # points
_BOLD_NAME = re.compile(rb"bold|black|heavy|demi", re.IGNORECASE)
_FORCE_BOLD = 1 << 18  # a flag of a font's descriptor, PDF 32000-1, table 123
_NAME_BYTES = 128


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text; places are in points from the page's bottom left."""

    text: str
    left: float
    right: float
    top: float
    height: float
    gaps: tuple[tuple[float, float], ...] = ()  # wide ones inside the line, from left to right
    edge: float = 1.0  # how near to the page's upper or lower end, 0 to 0.5 of its height
    hidden: str = ""  # why a reader does not see it
    bold: bool = False  # from its beginning to its end


def page_lines(page: pdfium.PdfPage) -> list[Line]:
    """Give a page's lines in reading order, those of the left column before those of the right, hidden ones last."""
    text_page = page.get_textpage()
    try:
        sight = PageSight(page, text_page)
        found = _judged(list(_lines(text_page, page.get_height() or 1.0, sight)), sight)
        lines = [line for line in found if not line.hidden]
        gutter = _gutter(lines)
        ordered = lines if gutter is None else _by_column(lines, gutter, text_page)
        return ordered + [line for line in found if line.hidden]
    finally:
        text_page.close()


def _judged(lines: list[Line], sight: PageSight) -> list[Line]:
    """Let invisible text be seen where it is most of a page that is a picture: what recognition lays over a scan."""
    invisible = sum(len(line.text) for line in lines if line.hidden == "invisible")
    if 2 * invisible < sum(len(line.text) for line in lines) or not invisible or not sight.is_picture():
        return lines
    return [replace(line, hidden="") if line.hidden == "invisible" else line for line in lines]


def _lines(text_page: pdfium.PdfTextPage, page_height: float, sight: PageSight) -> Iterator[Line]:
    count = text_page.count_chars()
    if count <= 0:
        return
    text = text_page.get_text_range(0, count)
    at = 0  # in UTF-16 units, which is what pdfium counts
    for raw in text.split("\r\n"):
        units = len(raw.encode("utf-16-le", "replace")) // 2
        stripped = raw.strip()
        if stripped:
            # A line's first visible character may be a bullet of another size, so a later one gives the height.
            skipped = len(raw) - len(raw.lstrip())
            later = at + skipped + min(len(stripped) - 1, 3)
            top, height = _place(text_page, later)
            spans = _spans(text_page, at, units)
            left, right = (spans[0][0], max(end for _, end in spans)) if spans else (0.0, 0.0)
            gaps = tuple((a, b) for (_, a), (b, _) in pairwise(spans) if b - a > max(height, 8.0))
            part = top / page_height
            edge = max(0.0, min(part, 1 - part))
            hidden = sight.hides(later, left, top, height)
            bold = _is_bold(text_page, later) and _is_bold(text_page, at + skipped + len(stripped) - 1)
            yield Line(_SPLIT_WORD.sub("", stripped), left, right, top, height, gaps, edge, hidden, bold)
        at += units + 2


def _place(text_page: pdfium.PdfTextPage, index: int) -> tuple[float, float]:
    """Give top and height of a character's line box."""
    rectangle = pdfium_c.FS_RECTF()
    if not pdfium_c.FPDFText_GetLooseCharBox(text_page, index, rectangle):
        return 0.0, 0.0
    return rectangle.top, round(rectangle.top - rectangle.bottom, 1)


def _is_bold(text_page: pdfium.PdfTextPage, index: int) -> bool:
    """Tell by the name of a character's font, or by what the font says of itself."""
    name, flags = ctypes.create_string_buffer(_NAME_BYTES), ctypes.c_int()
    if not pdfium_c.FPDFText_GetFontInfo(text_page, index, name, _NAME_BYTES, flags):
        return False
    return bool(flags.value & _FORCE_BOLD or _BOLD_NAME.search(name.value))


def _spans(text_page: pdfium.PdfTextPage, start: int, count: int) -> list[tuple[float, float]]:
    """Give left and right of the runs that a line is made of."""
    left, top, right, bottom = (ctypes.c_double() for _ in range(4))
    found = []
    for number in range(pdfium_c.FPDFText_CountRects(text_page, start, count)):
        if pdfium_c.FPDFText_GetRect(text_page, number, left, top, right, bottom):
            found.append((left.value, right.value))
    return found


def _gutter(lines: Sequence[Line]) -> float | None:
    """Find the middle of the white strip between two columns of running text, where there is one."""
    if len(lines) < _LEAST_LINES:  # a line may hold one of each column
        return None
    start, end = min(line.left for line in lines), max(line.right for line in lines)
    width = end - start
    crossing = _crossing(lines, int(end) + 2)
    places = range(int(start + 0.35 * width), int(start + 0.65 * width))
    fewest = min((crossing[x] for x in places), default=len(lines))
    if fewest > _CROSSING * len(lines):
        return None
    best = [x for x in places if crossing[x] == fewest]
    x = best[len(best) // 2]
    sides: tuple[list[float], list[float]] = [], []
    for line in lines:
        if _crosses(line, x):
            continue
        for left, right in _pieces(line, x):
            sides[left >= x].append(right - left)
    if min(map(len, sides)) < _LEAST_LINES or min(map(median, sides)) < _COLUMN_WIDTH * width:
        return None
    return float(x)


def _crossing(lines: Sequence[Line], width: int) -> list[int]:
    """Count, for every point of the page's width, the lines whose text covers it."""
    steps = [0] * (width + 1)
    for line in lines:
        for left, right in zip(
            [line.left, *(b for _, b in line.gaps)], [*(a for a, _ in line.gaps), line.right], strict=True
        ):
            steps[min(max(int(left) + 1, 0), width)] += 1
            steps[min(max(int(right) + 1, 0), width)] -= 1
    return list(accumulate(steps))


def _crosses(line: Line, x: float) -> bool:
    return line.left < x < line.right and not any(a <= x <= b for a, b in line.gaps)


def _pieces(line: Line, x: float) -> list[tuple[float, float]]:
    gap = next(((a, b) for a, b in line.gaps if a <= x <= b), None)
    return [(line.left, gap[0]), (gap[1], line.right)] if gap else [(line.left, line.right)]


def _by_column(lines: list[Line], x: float, text_page: pdfium.PdfTextPage) -> list[Line]:
    """Read down the left column, then the right, between one line across both and the next.

    A page whose own order does so already is left as it is.
    """
    changes = sum((a.left >= x) != (b.left >= x) for a, b in pairwise(lines))
    merged = sum(len(_pieces(line, x)) > 1 for line in lines)
    if merged < 3 and changes < len(lines) // 3:
        return lines
    ordered: list[Line] = []
    sides: tuple[list[Line], list[Line]] = [], []
    for line in sorted((piece for line in lines for piece in _cut(line, x, text_page)), key=lambda line: -line.top):
        if _crosses(line, x):
            ordered += sides[0] + sides[1] + [line]
            sides = [], []
        else:
            sides[line.left >= x].append(line)
    return ordered + sides[0] + sides[1]


def _cut(line: Line, x: float, text_page: pdfium.PdfTextPage) -> Iterator[Line]:
    pieces = _pieces(line, x)
    if len(pieces) == 1:
        yield line
        return
    for left, right in pieces:
        text = text_page.get_text_bounded(left - 0.5, line.top - line.height, right + 0.5, line.top)
        if words := " ".join(text.split()):
            yield replace(line, text=words, left=left, right=right, gaps=())


def without_running_lines(pages: list[list[Line]]) -> tuple[list[list[Line]], list[list[Line]]]:
    """Part each page's lines from those at its ends that return, but for their numbers, on many pages.

    That is on half of the pages among the first or last two lines, or on 30 % (left and right pages differ, and so do
    chapters) at the same height, near the paper's edge.
    """
    if len(pages) < 4:
        return pages, [[] for _ in pages]
    often, sometimes = max(3, len(pages) // 2), max(3, math.ceil(0.3 * len(pages)))
    by_rank = running(
        ((shape(line.text), number, line.text) for number, page in enumerate(pages) for line in page[:2] + page[-2:]),
        often,
    )
    by_place = running(
        (
            (_shape_in_place(line), number, line.text)
            for number, page in enumerate(pages)
            for line in page
            if line.edge < _EDGE_ZONE
        ),
        sometimes,
    )
    kept: list[list[Line]] = []
    dropped: list[list[Line]] = []
    for page in pages:
        ends = {0, 1, len(page) - 2, len(page) - 1}
        kept.append([])
        dropped.append([])
        for i, line in enumerate(page):
            runs = (i in ends and shape(line.text) in by_rank) or (
                line.edge < _EDGE_ZONE and _shape_in_place(line) in by_place
            )
            (dropped if runs else kept)[-1].append(line)
    return (kept, dropped) if any(kept) else (pages, [[] for _ in pages])


def _shape_in_place(line: Line) -> tuple[str, int]:
    return shape(line.text), round(line.top / _SAME_PLACE)
