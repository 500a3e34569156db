"""Bytes of unknown encoding to text, and wrapped lines to paragraphs."""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from itertools import pairwise
from textwrap import dedent

_SAMPLE = 100_000
# UTF-32's mark begins like UTF-16's, so it comes first.
_BOMS = (
    (BOM_UTF32_LE, "utf-32"),
    (BOM_UTF32_BE, "utf-32"),
    (BOM_UTF8, "utf-8-sig"),
    (BOM_UTF16_LE, "utf-16"),
    (BOM_UTF16_BE, "utf-16"),
)
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n)+")  # the next line's indent stays: it may be the block's
_OWN_LINE = re.compile(r"\s|[-*•>|]\s|\d{1,3}[.)]\s|[\w -]{1,30}:\s")
_ITEM = re.compile(r"\s*([-*•>]|\d{1,3}[.)])\s")
_WRAPPED_FROM = 50  # a line this long was probably broken by the width of a screen


def decode(data: bytes, *declared: str) -> str:
    """Turn bytes into text with line feeds: byte order mark, those declared, UTF-8, then the likeliest."""
    return _decode(data, (*declared, "utf-8")).replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes, likely: tuple[str, ...]) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    for encoding in likely:
        try:
            if encoding:
                return data.decode(encoding)
        except (UnicodeDecodeError, LookupError, ValueError):
            continue
    from charset_normalizer import from_bytes  # a tenth of a second that UTF-8 files do not pay

    found = from_bytes(data[:_SAMPLE])
    best = found.best()
    # In a short text its guess between cousins is a coin toss: the commonest wins when it is as plausible.
    western = next((match for match in found if match.encoding in ("cp1252", "latin_1")), None)
    if best is None or (western and western.chaos <= best.chaos):
        return data.decode("cp1252", "replace")
    return data.decode(best.encoding, "replace")


def paragraphs(text: str) -> list[str]:
    """Split at blank lines and join lines that were broken only to fit a width."""
    return [unwrap(block) for block in _BLANK_LINES.split(text) if block.strip()]


def unwrap(block: str) -> str:
    """Join a line to the one before when that one is long and this one does not look like a line of its own."""
    lines = dedent(block.strip("\n")).split("\n")
    joined = lines[:1]
    in_item = bool(_ITEM.match(lines[0]))
    for before, line in pairwise(lines):
        # Below a list item, an indented line that is no item itself hangs from it.
        hangs = in_item and line[:1].isspace() and not _ITEM.match(line)
        in_item = hangs or bool(_ITEM.match(line))
        if _WRAPPED_FROM <= len(before) <= 120 and (hangs or not _OWN_LINE.match(line)):
            joined.append(f" {line.lstrip()}")
        else:
            joined.append(f"\n{line}")
    return "".join(joined)
