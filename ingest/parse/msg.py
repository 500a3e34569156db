"""Outlook's own mail files: the same facts and body as of any mail."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.parse.decode import decode, paragraphs
from ingest.parse.html import read
from ingest.parse.replies import parts
from moat.errors import ParsingFailed
from moat.records import Element, ParsedDocument

_DAMAGES = (OSError, ValueError, LookupError, TypeError, AttributeError, struct.error)


def parse(path: Path, media_type: str, name: str) -> ParsedDocument:
    """Read who, to whom, when, about what, then the body; attachments are counted."""
    from oxmsg import Message

    try:
        message = Message.load(str(path))
        subject = " ".join(message.subject.split())
        elements = [Element("title", subject, level=1)] if subject else []
        if facts := "\n".join(_facts(message)):
            elements.append(Element("text", facts))
        elements += _body(message)
        attached = [bool(one.file_bytes) for one in message.attachments]
    except _DAMAGES as error:
        raise ParsingFailed(
            f"{name!r} is damaged: it cannot be read as an Outlook message.", "Save it again as msg or eml."
        ) from error
    inside = attached.count(False)
    warnings = (f"{inside} attached message(s) were not read; upload them as files.",) if inside else ()
    return ParsedDocument(tuple(elements), subject, warnings=warnings, members=attached.count(True))


def attachments(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """Give the name and the bytes of every attached file; messages inside the message are none."""
    from oxmsg import Message
    from oxmsg.domain import constants

    try:
        for number, one in enumerate(Message.load(str(path)).attachments, 1):
            if one.file_bytes:
                short = one.properties.str_prop_value(constants.PID_ATTACH_FILENAME)
                stated = (one.file_name or short or "").replace("\\", "/").rsplit("/", 1)[-1]
                yield stated or f"attachment-{number}", one.file_bytes
    except _DAMAGES as error:
        raise ParsingFailed(
            f"An attachment of {name!r} is damaged.", "Save the message again as msg or eml."
        ) from error


def _facts(message: Any) -> Iterator[str]:
    if message.sender:
        yield f"From: {message.sender}"
    to = [f"{one.name} <{one.email_address}>" if one.name else one.email_address for one in message.recipients]
    if to:
        yield f"To: {', '.join(filter(None, to))}"
    if message.sent_date:
        yield f"Date: {message.sent_date:%a, %d %b %Y %H:%M:%S %z}"


def _body(message: Any) -> tuple[Element, ...]:
    from oxmsg.domain import constants

    if message.body and message.body.strip():
        text = message.body.replace("\r\n", "\n").replace("\r", "\n")
        return tuple(Element("text", block, mark=mark) for mark, part in parts(text) for block in paragraphs(part))
    markup = message.properties.binary_prop_value(constants.PID_HTML)
    if markup:  # bytes, whose encoding the message states as a code page
        return read(decode(markup, message.properties.body_encoding)).elements
    return read(message.html_body or "").elements
