"""What Word and Excel files hold but do not show: taken out of a copy, and given back as marked elements."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from moat.records import Element

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_HIDING = re.compile(rb'<w:vanish[ />]|<w:color [^>]*w:val="[fF]{6}"|<w:sz w:val="[1-3]"')
_HIDDEN_SHEET = re.compile(rb'<sheet [^>]*state="(hidden|veryHidden)"')
_HIDDEN_CELLS = re.compile(rb'<(row|col) [^>]*hidden="(1|true)"')
_PALE_FONTS = re.compile(rb'<font>(?:(?!</font>).)*<color [^>]*(rgb="..FFFFFF"|theme="0")|formatCode=";;;"', re.S)
_WHITE = ("FFFFFFFF", "00FFFFFF")
_UNSEEN_FORMAT = ";;;"
_DARK = ("shd", "highlight")  # white text on a filled ground is seen
_OFF = ("0", "false", "off", "none")


def visible_word(source: Path | IO[bytes]) -> tuple[io.BytesIO | None, list[Element]]:
    """Take out hidden, white and dot-sized runs; None when the document has none."""
    with zipfile.ZipFile(source) as archive:
        try:
            if not _HIDING.search(archive.read("word/document.xml")):
                return None, []
        except KeyError:
            return None, []
    import docx

    document = docx.Document(str(source) if isinstance(source, Path) else source)
    hidden = []
    for run in list(document.element.body.iter(f"{_W}r")):
        text = "".join(part.text or "" for part in run.iter(f"{_W}t"))
        if _is_hidden_run(run):
            if text.strip():
                hidden.append(Element("text", " ".join(text.split()), mark="hidden"))
            run.getparent().remove(run)
    return _saved(document), hidden


def _is_hidden_run(run: Any) -> bool:
    look = run.find(f"{_W}rPr")
    if look is None:
        return False
    vanish, size, color = (look.find(f"{_W}{name}") for name in ("vanish", "sz", "color"))
    if vanish is not None and vanish.get(f"{_W}val", "1") not in _OFF:
        return True
    if size is not None and size.get(f"{_W}val") in ("1", "2", "3"):  # half points
        return True
    if color is None or (color.get(f"{_W}val") or "").upper() != "FFFFFF":
        return False
    return not any(_is_filled(place) for place in (look, *_around(run)))


def _around(run: Any) -> Iterator[Any]:
    """Give the properties of everything that the run stands in: its paragraph, cell and table."""
    for outer in run.iterancestors():
        for name in ("pPr", "tcPr", "tblPr"):
            if (found := outer.find(f"{_W}{name}")) is not None:
                yield found
        if outer.tag in (f"{_W}txbxContent", f"{_W}tbl"):  # a drawing's fill or a table's style is out of sight here
            yield outer


def _is_filled(properties: Any) -> bool:
    if properties.tag in (f"{_W}txbxContent", f"{_W}tbl"):
        return True
    for name in _DARK:
        ground = properties.find(f"{_W}{name}")
        if ground is not None:
            fill = ground.get(f"{_W}fill") or ground.get(f"{_W}val") or ""
            if fill.upper() not in ("", "AUTO", "FFFFFF", "WHITE", "CLEAR", "NONE"):
                return True
    return False


def visible_excel(path: Path) -> tuple[io.BytesIO | None, list[Element]]:
    """Empty hidden cells, by their sheet, row, column or white font, so that all others keep their places."""
    if not _hides_cells(path):
        return None, []
    import openpyxl  # type: ignore[import-untyped]

    with path.open("rb") as file:  # by its name, openpyxl would judge it by a suffix that blobs have not
        book = openpyxl.load_workbook(file, data_only=True)
    hidden = []
    for number, sheet in enumerate(book.worksheets, 1):
        rows, columns = _hidden_lines(sheet)
        off, dressed = sheet.sheet_state != "visible", bool(sheet.tables or sheet.conditional_formatting)
        for cells in sheet.iter_rows():
            unseen = [c for c in cells if off or c.row in rows or c.column in columns or _is_pale(c, dressed)]
            values = [str(cell.value) for cell in unseen if cell.value is not None]
            if values:
                hidden.append(Element("text", " | ".join(values), number, mark="hidden"))
            for cell in unseen:
                if not isinstance(cell, openpyxl.cell.cell.MergedCell):
                    cell.value = None
    return (_saved(book), hidden) if hidden else (None, [])


def _is_pale(cell: Any, dressed: bool) -> bool:
    """Tell white on nothing; in a sheet that a table or a rule may colour, white is taken to be seen."""
    if cell.value is None or not cell.has_style:
        return False
    if cell.number_format == _UNSEEN_FORMAT:
        return True
    color = cell.font.color
    if dressed or color is None or cell.fill.fill_type is not None:
        return False
    if color.type == "theme":
        return bool(color.theme == 0 and not color.tint)
    return color.type == "rgb" and str(color.rgb).upper() in _WHITE


def _hides_cells(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.startswith("xl/worksheets/sheet")]
        try:
            if _HIDDEN_SHEET.search(archive.read("xl/workbook.xml")):
                return True
            if _PALE_FONTS.search(archive.read("xl/styles.xml")):
                return True
        except KeyError:
            pass
        return any(_HIDDEN_CELLS.search(archive.read(name)) for name in names)


def _hidden_lines(sheet: Any) -> tuple[set[int], set[int]]:
    rows = {number for number, row in sheet.row_dimensions.items() if row.hidden}
    columns: set[int] = set()
    for column in sheet.column_dimensions.values():
        if column.hidden and column.min and column.max:
            columns.update(range(column.min, min(column.max, sheet.max_column) + 1))
    return rows, columns


def _saved(document: Any) -> io.BytesIO:
    copy = io.BytesIO()
    document.save(copy)
    copy.seek(0)
    return copy
