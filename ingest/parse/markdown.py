"""Markdown: a line splitter that knows blocks, and an unmarker for what stands inside a line."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

from ingest.parse.decode import decode
from ingest.parse.hidden_markdown import take_hidden
from moat.records import Element, ParsedDocument

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_FRONT_TITLE = re.compile(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.M)
_COMMENT = re.compile(r"<!--.*?-->", re.S)
_FENCE = re.compile(r"\s{0,3}(```+|~~~+)")
_HEADING = re.compile(r"\s{0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_UNDERLINE = re.compile(r"\s{0,3}(=+|-+)[ \t]*$")
_RULE = re.compile(r"\s{0,3}([-*_])[ \t]*(\1[ \t]*){2,}$")
_ITEM = re.compile(r"(\s*)([-*+]|\d{1,9}[.)])[ \t]+(.*)$")
_TABLE_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")
_CELL_EDGE = re.compile(r"(?<!\\)\|")
_REFERENCE = re.compile(r"\s{0,3}\[[^\]]+\]:\s+\S+")
_HTML_TABLE = re.compile(r"\s{0,3}<table\b", re.I)

_LITERAL = re.compile(r"(`+)(.+?)\1|\\([!-/:-@\[-`{-~])")  # code, or an escaped mark
_IMAGE = re.compile(r"!\[([^\[\]]*)\](\([^()\s]*(\([^()]*\)[^()]*)*(\s+\"[^\"]*\")?\)|\[[^\]]*\])?")
_LINK = re.compile(
    r"\[([^\[\]]+)\](\(\{%[^()]*\)|\(<?[^()\s]*(\([^()]*\)[^()\s]*)*>?(\s+[\"'][^\"']*[\"'])?\s*\)|\[[^\]]*\])"
)
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^>\s]+|[\w.+-]+@[\w.-]+)>")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_STRONG = re.compile(
    r"(?<![\w*])(\*{1,3})(?=\S)([^*]+?)(?<=\S)\1(?![\w*])|(?<![\w_])(_{1,3})(?=\S)([^_]+?)(?<=\S)\3(?![\w_])"
)
_STRIKE = re.compile(r"~~(.+?)~~")


def parse(path: Path, media_type: str, name: str) -> ParsedDocument:
    """Read headings, paragraphs, list items, tables and code, without their marks."""
    text = decode(path.read_bytes())
    title = ""
    front = _FRONT_MATTER.match(text)
    if front:
        found = _FRONT_TITLE.search(front[1])
        title = found[1] if found else ""
        text = text[front.end() :]
    text, hidden = take_hidden(_COMMENT.sub("", text))
    elements = (*_elements(text.split("\n")), *hidden)
    if front and not elements:  # a page that only redirects still says where to
        elements = (Element("text", front[1]),)
    return ParsedDocument(elements, title)


def _elements(lines: list[str]) -> Iterator[Element]:
    at = 0
    while at < len(lines):
        line = lines[at]
        fence, heading, item = _FENCE.match(line), _HEADING.match(line), _ITEM.match(line)
        following = lines[at + 1] if at + 1 < len(lines) else ""
        if not line.strip() or _RULE.match(line) or _REFERENCE.match(line):
            at += 1
        elif fence:
            at, code = _take_code(lines, at, fence[1])
            yield Element("code", code)
        elif heading:
            at += 1
            yield Element("heading", plain(heading[2]), level=len(heading[1]))
        elif "|" in line and "-" in following and _TABLE_RULE.match(following):
            at, rows = _take_table(lines, at)
            yield Element("table", "", rows=rows)
        elif _HTML_TABLE.match(line):
            end = next((i for i in range(at, len(lines)) if "</table" in lines[i].lower()), len(lines) - 1)
            yield from _html("\n".join(lines[at : end + 1]))
            at = end + 1
        elif following.strip() and not item and _UNDERLINE.match(following):
            yield Element("heading", plain(line), level=1 if "=" in following else 2)
            at += 2
        else:
            at, block = _take_paragraph(lines, at)
            text = plain(block)
            if text:
                yield Element("list_item" if item else "text", text)


def _html(fragment: str) -> tuple[Element, ...]:
    from ingest.parse.html import read

    return read(fragment).elements


def _take_code(lines: list[str], at: int, fence: str) -> tuple[int, str]:
    end = at + 1
    while end < len(lines) and not lines[end].strip().startswith(fence):
        end += 1
    return end + 1, "\n".join(lines[at + 1 : end])


def _take_table(lines: list[str], at: int) -> tuple[int, tuple[tuple[str, ...], ...]]:
    rows = [_cells(lines[at])]
    at += 2
    while at < len(lines) and "|" in lines[at] and lines[at].strip():
        rows.append(_cells(lines[at]))
        at += 1
    return at, tuple(rows)


def _cells(line: str) -> tuple[str, ...]:
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return tuple(plain(cell) for cell in _CELL_EDGE.split(inner))


def _take_paragraph(lines: list[str], at: int) -> tuple[int, str]:
    """Take the line and those that go on with it, as one line."""
    item = _ITEM.match(lines[at])
    parts = [f"{item[1]}{'-' if item[2] in '-*+' else item[2]} {item[3]}" if item else lines[at]]
    end = at + 1
    while end < len(lines) and not _starts_block(lines, end):
        parts.append("\n" if parts[-1].endswith(("  ", "\\")) else " ")
        parts.append(lines[end].strip().lstrip("> "))
        end += 1
    return end, "".join(parts).lstrip("> ")


def _starts_block(lines: list[str], at: int) -> bool:
    line = lines[at]
    if not line.strip() or _ITEM.match(line) or _FENCE.match(line) or _HEADING.match(line) or _RULE.match(line):
        return True
    if _HTML_TABLE.match(line):
        return True
    return "|" in line and at + 1 < len(lines) and bool(_TABLE_RULE.match(lines[at + 1])) and "-" in lines[at + 1]


def plain(text: str) -> str:
    """Drop a line's marks: `**a** [b](url) <i>c</i>` becomes `a b c`; code keeps its characters."""
    if not any(mark in text for mark in "`*_[<&\\~"):
        return text.strip()
    kept: list[str] = []

    def keep(found: re.Match[str]) -> str:
        kept.append(found[2] if found[1] else found[3])
        return f"\x00{len(kept) - 1}\x00"

    text = _LITERAL.sub(keep, text.replace("\x00", ""))
    text = _AUTOLINK.sub(r"\1", text)
    text = _LINK.sub(r"\1", _IMAGE.sub(r"\1", text))
    text = _LINK.sub(r"\1", text)  # once more: a linked image
    text = _STRIKE.sub(r"\1", _unmark(_unmark(_TAG.sub(" ", text))))
    text = unescape(text)
    return re.sub("\x00(\\d+)\x00", lambda found: kept[int(found[1])], text).strip()


def _unmark(text: str) -> str:
    return _STRONG.sub(lambda found: found[2] or found[4], text)
