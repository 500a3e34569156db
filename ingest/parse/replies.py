"""The parts of a mail's body: what its author wrote, what is quoted of older mails, and the signature."""

import re
from collections.abc import Iterator

# A line that announces the quoted mail, in the languages that the common programs write.
_ATTRIBUTION = re.compile(
    r"^\s*(On\b.{6,200}\bwrote|Am\b.{6,200}\bschrieb.{0,80}|Le\b.{6,200}\ba écrit|El\b.{6,200}\bescribió"
    r"|Il\b.{6,200}\bha scritto|Op\b.{6,200}\bschreef.{0,80}|Em\b.{6,200}\bescreveu)\s*:\s*$"
)
_OLDER = re.compile(
    r"^\s*-{2,}\s*(Original Message|Original Appointment|Ursprüngliche Nachricht|Message d'origine|Mensaje original)"
    r"\s*-{2,}\s*$",
    re.I,
)
_SENDER = re.compile(r"^\s*\*?(From|Von|De|Da|Van)\s?:\*?\s+\S")
_SENT = re.compile(r"^\s*\*?(Sent|Date|Gesendet|Datum|Envoyé|Enviado|Inviato|Verzonden)\s?:\*?\s+\S")
_DEVICE = re.compile(r"^\s*(Sent from my \w+|Get Outlook for \w+|Von meinem \w+ gesendet|Envoyé de mon \w+)\b.{0,40}$")
_LONGEST_SIGNATURE = 15


def parts(body: str) -> Iterator[tuple[str, str]]:
    """Give (mark, text) in order; the marks are "", "quoted" and "signature"."""
    lines = body.replace("\r\n", "\n").split("\n")
    end = _older_mail(lines)
    marks = [_mark(line) for line in lines[:end]] + ["quoted"] * (len(lines) - end)
    _mark_attributions(lines, marks)
    _mark_signature(lines, marks, end)
    if not any(line.strip() and not mark for line, mark in zip(lines, marks, strict=True)):
        marks = [""] * len(lines)  # a mail that only quotes: what it quotes is all it says
    start = 0
    for at in range(1, len(lines) + 1):
        if at == len(lines) or marks[at] != marks[start]:
            yield marks[start], "\n".join(lines[start:at])
            start = at


def _older_mail(lines: list[str]) -> int:
    """Find where the older mail begins that is quoted without marks, down to the end.

    What a mail forwards stays: there it is the message.
    """
    written = False
    for at, line in enumerate(lines):
        below = lines[at + 1 : at + 4]
        outlook = _SENDER.match(line) and any(_SENT.match(other) for other in below)
        if written and (_OLDER.match(line) or (outlook and not _is_forwarded(lines[:at]))):
            return at
        written = written or bool(line.strip())
    return len(lines)


def _is_forwarded(before: list[str]) -> bool:
    last = next((line for line in reversed(before) if line.strip()), "")
    return "forward" in last.lower() or "weitergeleitet" in last.lower() or "transféré" in last.lower()


def _mark(line: str) -> str:
    return "quoted" if line.startswith(">") else ""


def _mark_attributions(lines: list[str], marks: list[str]) -> None:
    """Count the line above a quotation to it; programs break it into two."""
    for at, mark in enumerate(marks):
        if mark != "quoted" or (at and marks[at - 1] == "quoted"):
            continue
        above = at - 1
        while above >= 0 and not lines[above].strip():
            above -= 1
        for count in (1, 2):
            first = above - count + 1
            if first >= 0 and _ATTRIBUTION.match(" ".join(lines[first : above + 1])):
                marks[first:at] = ["quoted"] * (at - first)
                break


def _mark_signature(lines: list[str], marks: list[str], end: int) -> None:
    """Mark what follows `-- `, and the line that a telephone adds."""
    for at in range(end):
        if marks[at]:
            continue
        if lines[at].rstrip() == "--" and end - at <= _LONGEST_SIGNATURE + 1:
            marks[at:end] = [mark or "signature" for mark in marks[at:end]]
            return
        if _DEVICE.match(lines[at]):
            marks[at] = "signature"
