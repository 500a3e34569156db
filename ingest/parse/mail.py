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
    """Read the header's facts and the body, the plain one where there are two; attachments are counted."""
    # compat32: the newer policies raise on the broken headers that real mail is full of.
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.compat32)
    subject = _header(message, "Subject")
    facts = [f"{key}: {value}" for key in _SHOWN if (value := _header(message, key))]
    elements = [Element("title", subject, level=1)] if subject else []
    if facts:
        elements.append(Element("text", "\n".join(facts)))
    attachments = sum(1 for part in message.walk() if is_attachment(part))
    elements += _body(message)
    return ParsedDocument(tuple(elements), subject, members=attachments)


def _header(message: Message, name: str) -> str:
    return header_text(next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), ""))


def header_text(raw: str) -> str:
    """Read a header's value, whatever encoding it is in or claims to be in."""
    if not raw.isascii():  # bytes that the standard forbids; the email package hands them on as surrogates
        return " ".join(decode(raw.encode("utf-8", "surrogateescape"), "utf-8", "cp1252").split())
    try:
        text = str(make_header(decode_header(raw)))
    except (LookupError, ValueError):  # an unknown charset, or bytes that are not of the one named
        text = raw
    return " ".join(text.split())


def is_attachment(part: Message) -> bool:
    """Tell a file that came with the mail from its text."""
    if part.is_multipart():
        return False
    return part.get_content_disposition() == "attachment" or part.get_content_maintype() not in ("text", "multipart")


def _body(message: Message) -> Iterator[Element]:
    """Give each text part, skipping the HTML twin of a plain part."""
    inline = [part for part in message.walk() if not part.is_multipart() and not is_attachment(part)]
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
