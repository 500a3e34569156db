"""What a presentation holds but does not show: taken out of a copy, and given back as marked elements."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from moat.records import Element

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_HIDING = re.compile(
    rb'<p:sld [^>]*show="(0|false)"|<p:cNvPr [^>]*hidden="(1|true)"|srgbClr val="([fF][a-fA-F]){3}"|<a:off x="-?\d{7}'
    rb'|schemeClr val="bg1"|<a:rPr [^>]*sz="1?\d\d?"'
)
_FILLS = ("solidFill", "gradFill", "blipFill", "pattFill", "grpFill")
_PALE = re.compile("([fF][a-fA-F]){3}")  # so near to white that nobody sees it on white
_SMALLEST = 200  # hundredths of a point


def visible_slides(path: Path) -> tuple[io.BytesIO | None, list[Element]]:
    """Empty hidden slides, so that all others keep their numbers, and take out hidden shapes and white words."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.startswith("ppt/slides/slide")]
        if not any(_HIDING.search(archive.read(name)) for name in names):
            return None, []
    import pptx

    deck = pptx.Presentation(str(path))
    hidden: list[Element] = []
    for number, slide in enumerate(deck.slides, 1):
        for part in list(_unseen(slide, deck)):
            if text := " ".join("".join(t.text or "" for t in p.iter(f"{_A}t")) for p in _paragraphs(part)).strip():
                hidden.append(Element("text", " ".join(text.split()), number, mark="hidden"))
            if (parent := part.getparent()) is not None:
                parent.remove(part)
    if not hidden:
        return None, []
    copy = io.BytesIO()
    deck.save(copy)
    copy.seek(0)
    return copy, hidden


def _paragraphs(part: Any) -> list[Any]:
    return list(part.iter(f"{_A}p")) or [part]


def _unseen(slide: Any, deck: Any) -> Iterator[Any]:
    """Give the shapes of a hidden slide, those hidden or beside the slide, and the white runs on a white ground."""
    all_hidden = slide.element.get("show", "1") in ("0", "false")
    on_white = not all_hidden and _is_white(slide)
    for shape in slide.shapes:
        named = next(shape.element.iter(f"{_P}cNvPr"), None)
        if all_hidden or (named is not None and named.get("hidden", "0") in ("1", "true")) or _is_beside(shape, deck):
            yield shape.element
        else:
            runs = shape.element.iter(f"{_A}r")
            yield from [run for run in runs if _is_tiny_run(run) or (on_white and _is_white_run(run))]


def _is_beside(shape: Any, deck: Any) -> bool:
    if None in (shape.left, shape.top, shape.width, shape.height):
        return False  # where its layout puts it
    right, bottom = shape.left + shape.width, shape.top + shape.height
    return bool(right < 0 or bottom < 0 or shape.left > deck.slide_width or shape.top > deck.slide_height)


def _is_white_run(run: Any) -> bool:
    fill = run.find(f"{_A}rPr/{_A}solidFill")
    color = None if fill is None else next(iter(fill), None)
    if color is None or len(color):  # with changes to its light, it may be any
        return False
    said = color.get("val", "")
    return said == "bg1" if color.tag == f"{_A}schemeClr" else _PALE.fullmatch(said) is not None


def _is_tiny_run(run: Any) -> bool:
    look = run.find(f"{_A}rPr")
    size = "" if look is None else look.get("sz", "")
    return size.isdigit() and int(size) < _SMALLEST


def _is_white(slide: Any) -> bool:
    """Tell that nothing but white can lie behind a slide's words: no ground, picture or filled shape anywhere."""
    for layer in (slide, slide.slide_layout, slide.slide_layout.slide_master):
        if any(layer.element.iter(f"{_P}pic", f"{_P}graphicFrame", f"{_P}bgPr")):
            return False
        for look in layer.element.iter(f"{_P}spPr"):
            if any(look.find(f"{_A}{fill}") is not None for fill in _FILLS):
                return False
        if next(layer.element.iter(f"{_P}style"), None) is not None:
            return False
    colors = slide.slide_layout.slide_master.element.find(f"{_P}clrMap")
    return colors is not None and colors.get("bg1") == "lt1"
