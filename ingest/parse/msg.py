"""Outlook's own mail files: the same facts and body as of any mail."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.parse.decode import decode, paragraphs
from ingest.parse.html import read
from moat.errors import ParsingFailed
from moat.records import Element, ParsedDocument


def parse(path: Path, media_type: str, name: str) -> ParsedDocument:
    """Read who, to whom, when, about what, then the body; attachments are only counted."""
    from oxmsg import Message

    try:
        message = Message.load(str(path))
        subject = " ".join(message.subject.split())
        elements = [Element("title", subject, level=1)] if subject else []
        if facts := "\n".join(_facts(message)):
            elements.append(Element("text", facts))
        elements += _body(message)
        attachments = len(message.attachments)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, struct.error) as error:
        raise ParsingFailed(
            f"{name!r} is damaged: it cannot be read as an Outlook message.", "Save it again as msg or eml."
        ) from error
    warnings = (f"{attachments} attachment(s) were not read; upload them as files.",) if attachments else ()
    return ParsedDocument(tuple(elements), subject, warnings=warnings)


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
        return tuple(Element("text", block) for block in paragraphs(text))
    markup = message.properties.binary_prop_value(constants.PID_HTML)
    if markup:  # bytes, whose encoding the message states as a code page
        return read(decode(markup, message.properties.body_encoding)).elements
    return read(message.html_body or "").elements
