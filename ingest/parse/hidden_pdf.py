"""Text in a PDF that a reader cannot see: drawn invisibly, white on white, off the page, or too small."""

import ctypes
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

_TINIEST_PT = 1.5
_WHITE = 250
_COVERS = frozenset(
    {
        pdfium_c.FPDF_PAGEOBJ_PATH,
        pdfium_c.FPDF_PAGEOBJ_IMAGE,
        pdfium_c.FPDF_PAGEOBJ_SHADING,
        pdfium_c.FPDF_PAGEOBJ_FORM,
    }
)


class PageSight:
    """Judges the characters of one page; what lies behind white ones is looked up only when there are any."""

    def __init__(self, page: pdfium.PdfPage, text_page: pdfium.PdfTextPage) -> None:
        self._page = page
        self._text_page = text_page
        self._box = page.get_cropbox()
        self._grounds: list[tuple[float, float, float, float]] | None = None
        self._color = tuple(ctypes.c_uint() for _ in range(4))
        self._color_out = tuple(ctypes.byref(part) for part in self._color)

    def hides(self, index: int, left: float, top: float, height: float) -> str:
        """Give why the character at this index cannot be seen, or nothing."""
        x0, y0, x1, y1 = self._box
        if left > x1 + 1 or left < x0 - 20 or top < y0 - 1 or top - height > y1 + 1:
            return "off the page"
        if 0 < height < _TINIEST_PT:
            return "tiny"
        item = pdfium_c.FPDFText_GetTextObject(self._text_page, index)
        if item and pdfium_c.FPDFTextObj_GetTextRenderMode(item) == pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE:
            return "invisible"
        ink = self._ink(index)
        if ink and ink[3] == 0:
            return "invisible"
        if ink and min(ink[:3]) >= _WHITE and not self._has_ground(left + 1, top - height / 2):
            return "white"
        return ""

    def is_picture(self) -> bool:
        """Tell whether pictures cover half of the page, as on a scan."""
        x0, y0, x1, y1 = self._box
        covered = 0.0
        for item in self._page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE], max_depth=3):
            left, bottom, right, top = item.get_bounds()
            wide, high = min(right, x1) - max(left, x0), min(top, y1) - max(bottom, y0)
            covered += max(0.0, wide) * max(0.0, high)
        return bool(2 * covered >= (x1 - x0) * (y1 - y0))

    def _ink(self, index: int) -> tuple[int, ...]:
        """Give red, green, blue and how opaque, to 255; nothing where the page does not say."""
        if not pdfium_c.FPDFText_GetFillColor(self._text_page, index, *self._color_out):
            return ()
        return tuple(part.value for part in self._color)

    def _has_ground(self, x: float, y: float) -> bool:
        """Tell whether anything is drawn where the text stands; whatever it is may be dark."""
        if self._grounds is None:
            self._grounds = []
            for item in self._page.get_objects(max_depth=1):
                if item.type in _COVERS and not _is_white_path(item):
                    self._grounds.append(item.get_bounds())
        return any(left <= x <= right and bottom <= y <= top for left, bottom, right, top in self._grounds)


def _is_white_path(item: Any) -> bool:
    if item.type != pdfium_c.FPDF_PAGEOBJ_PATH:
        return False
    color = [ctypes.c_uint() for _ in range(4)]
    found = pdfium_c.FPDFPageObj_GetFillColor(item.raw, *(ctypes.byref(c) for c in color))
    return bool(found) and min(c.value for c in color[:3]) >= _WHITE
