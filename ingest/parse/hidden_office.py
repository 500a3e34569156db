"""What Word and Excel files hold but do not show: taken out of a copy, and given back as marked elements."""

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from moat.records import Element

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PALE = "[fF][a-fA-F]"  # of red, green or blue: so near to white that nobody sees it on white
_PALE_COLOR = re.compile(f"(?:{_PALE}){{3}}")
_HIDING = re.compile(
    rb'<w:vanish[ />]|<w:color [^>]*(w:val="(%b){3}"|w:themeColor="(background|light)1")|<w:sz w:val="[1-3]"'
    % _PALE.encode()
)
_HIDDEN_SHEET = re.compile(rb'<sheet [^>]*state="(hidden|veryHidden)"')
_HIDDEN_CELLS = re.compile(rb'<(row|col) [^>]*hidden="(1|true)"')
_PALE_FONTS = re.compile(
    rb'<font>(?:(?!</font>).)*<color [^>]*(rgb="..(%b){3}"|theme="0")|formatCode=";;;"' % _PALE.encode(),
    re.S,
)
_UNSEEN_FORMAT = ";;;"
_DARK = ("shd", "highlight")  # white text on a filled ground is seen
_OFF = ("0", "false", "off", "none")
_MOST_STYLES = 20  # that rest on each other


def visible_word(source: Path | IO[bytes]) -> tuple[io.BytesIO | None, list[Element]]:
    """Take out hidden, white and dot-sized runs; None when the document has none."""
    if not _may_hide(source):
        return None, []
    import docx

    document = docx.Document(str(source) if isinstance(source, Path) else source)
    hidden = []
    styles = {style.get(f"{_W}styleId"): style for style in document.styles.element.iter(f"{_W}style")}
    for run in list(document.element.body.iter(f"{_W}r")):
        text = "".join(part.text or "" for part in run.iter(f"{_W}t"))
        if _is_hidden_run(run, styles):
            if text.strip():
                hidden.append(Element("text", " ".join(text.split()), mark="hidden"))
            run.getparent().remove(run)
    return _saved(document), hidden


def _may_hide(source: Path | IO[bytes]) -> bool:
    with zipfile.ZipFile(source) as archive:
        present = {"word/document.xml", "word/styles.xml"}.intersection(archive.namelist())
        return any(_HIDING.search(archive.read(name)) for name in present)


def _is_hidden_run(run: Any, styles: Mapping[str, Any]) -> bool:
    looks = list(_looks(run, styles, "rPr"))

    def said(name: str) -> Any:
        return next((found for look in looks if (found := look.find(f"{_W}{name}")) is not None), None)

    vanish, size, color = said("vanish"), said("sz"), said("color")
    if vanish is not None and vanish.get(f"{_W}val", "1") not in _OFF:
        return True
    if size is not None and size.get(f"{_W}val") in ("1", "2", "3"):  # half points
        return True
    if color is None or not _is_pale_word(color):
        return False
    return not any(_is_filled(place) for place in (*looks, *_looks(run, styles, "pPr"), *_around(run)))


def _is_pale_word(color: Any) -> bool:
    theme = color.get(f"{_W}themeColor")
    if theme is not None:
        return theme in ("background1", "light1") and color.get(f"{_W}themeShade") is None
    return _PALE_COLOR.fullmatch(color.get(f"{_W}val") or "") is not None


def _looks(run: Any, styles: Mapping[str, Any], kind: str) -> Iterator[Any]:
    """Give the properties that hold for a run, the nearest first: its own, its style's, its paragraph's style's."""
    paragraph = next(run.iterancestors(f"{_W}p"), None)
    for place, own, name in ((run, "rPr", "rStyle"), (paragraph, "pPr", "pStyle")):
        told = None if place is None else place.find(f"{_W}{own}")
        if told is None:
            continue
        if own == kind == "rPr":
            yield told
        style = told.find(f"{_W}{name}")
        for _ in range(_MOST_STYLES):
            found = None if style is None else styles.get(style.get(f"{_W}val"))
            if found is None:
                break
            if (look := found.find(f"{_W}{kind}")) is not None:
                yield look
            style = found.find(f"{_W}basedOn")


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
    return color.type == "rgb" and _PALE_COLOR.fullmatch(str(color.rgb)[2:]) is not None


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
