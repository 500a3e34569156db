"""Word's content controls and text boxes, put into the flow where unstructured sees them."""

import io
import zipfile
from pathlib import Path
from typing import Any

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"


def flattened(path: Path) -> io.BytesIO | None:
    """Give a copy of the document with such content in the flow, or None when it has none."""
    with zipfile.ZipFile(path) as archive:
        try:
            source = archive.read("word/document.xml")
        except KeyError:
            return None
    if b"sdtContent" not in source and b"txbxContent" not in source:
        return None
    import docx

    document = docx.Document(str(path))
    body = document.element.body
    for fallback in list(body.iter(f"{_MC}Fallback")):  # the same content again, for older programs
        fallback.getparent().remove(fallback)
    for control in list(body.iter(f"{_W}sdt")):
        _unwrap(control)
    for box in list(body.iter(f"{_W}txbxContent")):
        _move_behind_paragraph(box)
    copy = io.BytesIO()
    document.save(copy)
    copy.seek(0)
    return copy


def _unwrap(control: Any) -> None:
    """Put a content control's content in its place."""
    parent = control.getparent()
    if parent is None:
        return
    for content in control.findall(f"{_W}sdtContent"):
        for child in list(content):
            control.addprevious(child)
    parent.remove(control)


def _move_behind_paragraph(box: Any) -> None:
    """Put a text box's paragraphs behind the paragraph that it is anchored in."""
    anchor = next(box.iterancestors(f"{_W}p"), None)
    if anchor is None:
        return
    for child in reversed(list(box)):
        anchor.addnext(child)
