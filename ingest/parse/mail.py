"""Mail through the standard library: who, to whom, when, about what, then the body."""

import email
import email.policy
from collections.abc import Iterator
from email.header import decode_header, make_header
from email.message import Message
from pathlib import Path

from ingest.parse.decode import decode, paragraphs
from ingest.parse.replies import parts
from moat.records import Element, ParsedDocument

_SHOWN = ("From", "To", "Cc", "Date")


def parse(path: Path, media_type: str, name: str) -> ParsedDocument:
    """Read the header's facts and the body, the plain one where there are two; attachments are only counted."""
    # compat32: the newer policies raise on the broken headers that real mail is full of.
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.compat32)
    subject = _header(message, "Subject")
    facts = [f"{key}: {value}" for key in _SHOWN if (value := _header(message, key))]
    elements = [Element("title", subject, level=1)] if subject else []
    if facts:
        elements.append(Element("text", "\n".join(facts)))
    attachments = sum(1 for part in message.walk() if _is_attachment(part))
    elements += _body(message)
    warnings = (f"{attachments} attachment(s) were not read; upload them as files.",) if attachments else ()
    return ParsedDocument(tuple(elements), subject, warnings=warnings)


def _header(message: Message, name: str) -> str:
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")
    if not raw.isascii():  # bytes that the standard forbids; the email package hands them on as surrogates
        return " ".join(decode(raw.encode("utf-8", "surrogateescape"), "utf-8", "cp1252").split())
    try:
        text = str(make_header(decode_header(raw)))
    except (LookupError, ValueError):  # an unknown charset, or bytes that are not of the one named
        text = raw
    return " ".join(text.split())


def _is_attachment(part: Message) -> bool:
    if part.is_multipart():
        return False
    return part.get_content_disposition() == "attachment" or part.get_content_maintype() not in ("text", "multipart")


def _body(message: Message) -> Iterator[Element]:
    """Give each text part, skipping the HTML twin of a plain part."""
    inline = [part for part in message.walk() if not part.is_multipart() and not _is_attachment(part)]
    plain = [part for part in inline if part.get_content_type() != "text/html"]
    texts = [(part, text) for part in plain if (text := _text(part)).strip()]
    if texts:
        for _, text in texts:
            for mark, part_text in parts(text):
                yield from (Element("text", block, mark=mark) for block in paragraphs(part_text))
        return
    from ingest.parse.html import read

    for part in inline:
        yield from read(_text(part)).elements


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return decode(payload, str(part.get_content_charset() or "")) if isinstance(payload, bytes) else ""
