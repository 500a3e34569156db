"""What a style does to be unseen: its declarations read as a browser reads them, as far as that takes no layout."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from PIL import ImageColor

Colour = tuple[float, float, float, float]  # red, green and blue to 255, and how opaque, to 1
Ground = Colour | Literal["picture"]

WHITE: Colour = (255.0, 255.0, 255.0, 1.0)
_PX = {"": 1.0, "px": 1.0, "pt": 1.33, "em": 16.0, "rem": 16.0, "ex": 8.0, "ch": 8.0, "vw": 12.0, "vh": 8.0}
_SMALLEST_PX = 2.0
_FAR_PX = -900.0
_FAINT = 0.05
_SAME = 12.0  # of 255, in each of a colour's parts
_COMMENT = re.compile(r"/\*.*?(\*/|$)", re.S)
_ESCAPE = re.compile(r"\\([0-9a-f]{1,6})\s?|\\(.)", re.I)
_LENGTH = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(px|pt|em|rem|ex|ch|vw|vh|%)?(?![\w.])")
_FONT_SIZE = re.compile(r"(?:^|\s)((?:\d+\.?\d*|\.\d+)(?:px|pt|em|rem|%)|0(?=[\s/]))")
_FUNCTION = re.compile(r"(rgb|hsl)a?\(([^()]*)\)")
_PLACES = ("left", "right", "top", "bottom", "text-indent", "margin-left", "margin-top")
_SIZES = ("width", "height", "max-width", "max-height")
_CUT = {"hidden", "clip"}
_CLIPPED = re.compile(r"inset\(\s*(?:[5-9]\d|100)(?:\.\d+)?%|circle\(\s*0")
_MOVED = re.compile(r"scale[xy]?\(\s*0(?:\.0+)?\s*[,)]|translate[xy]?\([^)]*-\d{4,}")
_FADED = re.compile(r"opacity\(\s*0?\.?0*%?\s*\)")


@dataclass(frozen=True, slots=True)
class Look:
    """What a style says: whether it hides all that is inside, and how the text inside looks unless that says else.

    `ink` is the colour of the text, `ground` what is behind it, `tiny` whether it is too small to read; None: not said.
    """

    hides: bool = False
    ink: Colour | None = None
    ground: Ground | None = None
    tiny: bool | None = None


@lru_cache(maxsize=2_000)
def look(style: str) -> Look:
    """Read a style, as in an attribute or between a rule's braces."""
    said = _declarations(style[:4_000])
    return Look(_hides(said), _ink(said), _ground(said), _is_tiny(said))


def alike(ink: Colour, ground: Ground) -> bool:
    """Tell whether a text of this colour cannot be told from what is behind it."""
    if ink[3] <= _FAINT:
        return True
    return ground != "picture" and all(abs(a - b) <= _SAME for a, b in zip(ink[:3], ground[:3], strict=True))


def colour(text: str) -> Colour | None:
    """Read a colour by name, number or function; None for what is none, or takes more than itself to know."""
    text = text.strip().lower()
    if text == "transparent":
        return (0.0, 0.0, 0.0, 0.0)
    function = _FUNCTION.fullmatch(text)
    try:
        if function:
            return _from_function(function[1], function[2])
        red, green, blue, *alpha = map(float, ImageColor.getrgb(text))
    except ValueError:
        return None
    return (red, green, blue, alpha[0] / 255 if alpha else 1.0)


def _from_function(kind: str, inside: str) -> Colour:
    parts = [part for part in re.split(r"[\s,/]+", inside.strip()) if part]
    if len(parts) < 3:
        raise ValueError(f"{inside!r} is no colour")
    opaque = _share(parts[3], 1.0) if len(parts) > 3 else 1.0
    if kind == "rgb":
        red, green, blue = (_share(part, 255.0) for part in parts[:3])
        return (red, green, blue, opaque)
    turn, rest = float(parts[0].removesuffix("deg")), [part.rstrip("%") for part in parts[1:3]]
    red, green, blue = ImageColor.getrgb(f"hsl({turn % 360:g},{rest[0]}%,{rest[1]}%)")[:3]
    return (float(red), float(green), float(blue), opaque)


def _share(text: str, whole: float) -> float:
    return float(text[:-1]) / 100 * whole if text.endswith("%") else float(text)


def _declarations(style: str) -> dict[str, str]:
    """Split a style; the last of two declarations counts, unless the first is important."""
    found: dict[str, str] = {}
    important: dict[str, str] = {}
    for part in _ESCAPE.sub(_unescaped, _COMMENT.sub("", style)).split(";"):
        name, _, value = part.partition(":")
        value, bang, _ = value.strip().lower().partition("!")
        (important if bang else found)[name.strip().lower()] = value.strip()
    return found | important


def _unescaped(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[2]
    point = int(found[1], 16)
    return chr(point) if 0 < point < 0x110000 and not 0xD800 <= point < 0xE000 else ""


def _hides(said: Mapping[str, str]) -> bool:
    if said.get("display") == "none" or said.get("visibility") in ("hidden", "collapse"):
        return True
    if said.get("content-visibility") == "hidden" or _px(said.get("zoom", "")) == 0:
        return True
    return (
        _is_faint(said)
        or _is_cut(said)
        or any((place := _px(said.get(name, ""))) is not None and place <= _FAR_PX for name in _PLACES)
        or bool(_MOVED.search(f"{said.get('transform', '')} {said.get('translate', '')}"))
        or bool(re.match(r"rect\(\s*[01](?:px)?[\s,]", said.get("clip", "")))
        or bool(_CLIPPED.match(said.get("clip-path", "")))
    )


def _is_faint(said: Mapping[str, str]) -> bool:
    if _FADED.search(said.get("filter", "")):
        return True
    try:
        return _share(said["opacity"], 1.0) <= _FAINT
    except (KeyError, ValueError):
        return False  # not said, or such as `inherit`


def _is_cut(said: Mapping[str, str]) -> bool:
    cut = {said.get(name) for name in ("overflow", "overflow-x", "overflow-y")} & _CUT
    sizes = (_px(said.get(name, "")) for name in _SIZES)
    return bool(cut) and any(size is not None and 0 <= size <= 1 for size in sizes)


def _ink(said: Mapping[str, str]) -> Colour | None:
    if "text" in (said.get("background-clip"), said.get("-webkit-background-clip")):
        return None  # the letters are cut out of a picture
    return colour(said.get("-webkit-text-fill-color", "")) or colour(said.get("color", ""))


def _is_tiny(said: Mapping[str, str]) -> bool | None:
    size = said.get("font-size", "")
    if not size:
        shorthand = _FONT_SIZE.search(said.get("font", ""))
        size = shorthand[1] if shorthand else ""
    found = _LENGTH.match(size)
    if found is None:
        return None if size in ("", "inherit") else False
    # A share is of the size around, which is taken for the usual one.
    return float(found[1]) * (0.16 if found[2] == "%" else _PX[found[2] or ""]) < _SMALLEST_PX


def _px(text: str) -> float | None:
    found = _LENGTH.match(text)
    if found is None or found[2] == "%":
        return None
    return float(found[1]) * _PX[found[2] or ""]


def _ground(said: Mapping[str, str]) -> Ground | None:
    """Find what is behind the text; a later `background` is taken for all of it."""
    told = f"{said.get('background', '')} {said.get('background-image', '')}"
    if "url(" in told or "gradient(" in told:
        return "picture"
    for text in (said.get("background-color", ""), said.get("background", "")):
        for part in (text, *re.findall(r"(?:rgb|hsl)a?\([^()]*\)|[#\w]+", text)):
            found = colour(part)
            if found is not None:
                return None if found[3] <= _FAINT else found
    return "picture" if told.strip() not in ("", "none", "inherit", "initial") else None
