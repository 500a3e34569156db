"""Small valid files of every format, and what damage makes of them; everything follows from a seed."""

import io
import struct
import subprocess
import zipfile
from collections.abc import Callable
from functools import cache
from random import Random

from PIL import Image, ImageDraw

from ingest.parse.programs import program_of
from moat.media import OPENXML
from tests.fakes import documents
from tests.fakes.compound import compound, outlook

_ODF = "application/vnd.oasis.opendocument."
_SPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{space}:1.0"'
    for name, space in (("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing"))
)
_PAGE = (
    b"<h1>Travel</h1><p>Book early.</p><ul><li>Ask first.</li></ul><table><tr><td>Oslo</td><td>190</td></tr></table>"
)
_WORDS = (
    b"../../../etc/passwd",
    b"%s%n%x",
    b"\0",
    b"\xff\xfe",
    b"-1",
    b"9" * 40,
    b"{{",
    b"]]>",
    b"\r\n\r\n",
    b"A" * 5000,
)
_MARKUP = (
    b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
    b"<a>" * 3000,
    b"&e;&e;&e;",
    b'<x xmlns:x="y" x:x="' + b"z" * 9000 + b'"/>',
    b"<![CDATA[",
)
Seed = tuple[str, str, bytes]  # file name, media type, content


@cache
def seeds() -> tuple[Seed, ...]:
    """Give one file of each format that Moat reads, but for those that take a program which is not on every machine."""
    plain = b"Travel\n\nBook trains before you book flights.\n\nAsk your manager first.\n"
    made: list[Seed] = [
        ("a.txt", "text/plain", plain),
        (
            "a.md",
            "text/markdown",
            b"# Travel\n\nBook *early*.\n\n- Ask first.\n\n| City | Limit |\n|---|---|\n| Oslo | 190 |\n",
        ),
        ("a.rst", "text/x-rst", b"Travel\n======\n\nBook early.\n\n* Ask first.\n"),
        ("a.org", "text/x-org", b"* Travel\n\nBook early.\n\n- Ask first.\n"),
        ("a.adoc", "text/asciidoc", b"= Travel\n\nBook early.\n\n* Ask first.\n"),
        ("a.html", "text/html", b"<!doctype html><html><body>" + _PAGE + b"</body></html>"),
        (
            "a.xml",
            "application/xml",
            b"<?xml version='1.0'?><trips><trip city='Oslo'><limit>190</limit></trip></trips>",
        ),
        ("a.csv", "text/csv", b"City,Limit\nOslo,190\nLisbon,140\n"),
        ("a.tsv", "text/csv", b"City\tLimit\nOslo\t190\nLisbon\t140\n"),
        (
            "a.json",
            "application/json",
            b'{"trips": [{"city": "Oslo", "limit": 190.5}, {"city": "Lisbon", "open": true}]}',
        ),
        ("a.docx", f"{OPENXML}wordprocessingml.document", documents.docx()),
        ("a.pptx", f"{OPENXML}presentationml.presentation", documents.pptx()),
        ("a.xlsx", f"{OPENXML}spreadsheetml.sheet", documents.xlsx()),
        ("a.eml", "message/rfc822", documents.eml({"note.txt": "Bring the lamp."})),
        ("a.msg", "application/vnd.ms-outlook", outlook("Lunch", "At noon.", "Ann", "Bob", {"a.txt": plain})),
        ("a.pdf", "application/pdf", documents.pdf([[("Travel", 20), ("Book early.", 12)], [("Ask first.", 12)]])),
        ("a.zip", "application/zip", documents.zipped({"a.txt": plain, "b/c.csv": b"a,b\n1,2\n"})),
        ("a.xls", "application/vnd.ms-excel", compound({"Workbook": _old_sheet()})),
        ("a.ods", f"{_ODF}spreadsheet", _open_document("spreadsheet", _sheet())),
        ("a.odp", f"{_ODF}presentation", _open_document("presentation", _slide())),
        (
            "a.rtf",
            "application/rtf",
            rb"{\rtf1\ansi\deff0{\fonttbl{\f0 Times;}}\f0 Book early.\par \b Ask\b0  first.\par}",
        ),
    ]
    made += [(f"a.{kind}", media_type, _converted(kind)) for kind, media_type in _CONVERTED.items()]
    made += [(f"a.{kind}", f"image/{kind}", _picture(kind)) for kind in ("png", "jpeg", "tiff", "bmp", "webp")]
    return tuple(made)


_CONVERTED = {"odt": f"{_ODF}text", "epub": "application/epub+zip"}


def mutants(seed: int, count: int, leave_out: tuple[str, ...] = ()) -> list[Seed]:
    """Give so many damaged files, the formats in turn; the same ones for the same seed."""
    random = Random(seed)
    chosen = [found for found in seeds() if not found[0].endswith(leave_out)]
    made = []
    for number in range(count):
        name, media_type, content = chosen[number % len(chosen)]
        made.append((f"{number}{name[1:]}", media_type, mutated(random, content)))
    return made


def mutated(random: Random, content: bytes) -> bytes:
    """Damage a file in one to four ways; a zip half of the time inside its members, its directory left whole."""
    for _ in range(random.choice((1, 1, 2, 4))):
        if content[:2] == b"PK" and random.random() < 0.5:
            content = _inside(random, content)
        else:
            content = random.choice(_WAYS)(random, content)
    return content[:2_000_000] or b"\0"


def _flip(random: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice((1, 4, 30))):
        if changed:
            changed[random.randrange(len(changed))] = random.choice((0, 0xFF, 0x7F, random.randrange(256)))
    return bytes(changed)


def _cut(random: Random, content: bytes) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _leave_out(random: Random, content: bytes) -> bytes:
    begin, end = sorted(random.randrange(len(content) + 1) for _ in range(2))
    return content[:begin] + content[end:]


def _repeat(random: Random, content: bytes) -> bytes:
    begin, end = sorted(random.randrange(len(content) + 1) for _ in range(2))
    return content[:end] + content[begin:end][:4000] * random.choice((1, 10, 100)) + content[end:]


def _insert(random: Random, content: bytes) -> bytes:
    place = random.randrange(len(content) + 1)
    return content[:place] + random.choice((*_WORDS, *_MARKUP)) + content[place:]


def _splice(random: Random, content: bytes) -> bytes:
    other = random.choice(seeds())[2]
    return content[: random.randrange(len(content) + 1)] + other[random.randrange(len(other)) :]


def _number(random: Random, content: bytes) -> bytes:
    """Put an extreme number where a length or an offset may stand."""
    place = random.randrange(len(content) + 1)
    value = random.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF))
    return content[:place] + struct.pack(random.choice(("<I", ">I")), value) + content[place + 4 :]


_WAYS: tuple[Callable[[Random, bytes], bytes], ...] = (_flip, _cut, _leave_out, _repeat, _insert, _splice, _number)


def _inside(random: Random, content: bytes) -> bytes:
    """Damage one member, give it another name, leave it out, or add one."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()[:200]}
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, RuntimeError, NotImplementedError, zipfile.zlib.error):
        return _flip(random, content)
    if not members:
        return content
    name = random.choice(list(members))
    how = random.randrange(5)
    if how < 2:
        members[name] = random.choice(_WAYS)(random, members[name])
    elif how == 2:
        members[random.choice(("../../out.txt", "/etc/cron.d/x", "a\\..\\b", "é" * 200, name.upper()))] = members.pop(
            name
        )
    elif how == 3:
        del members[name]
    else:
        members["added.xml"] = random.choice(_MARKUP) * random.choice((1, 20))
    try:
        return documents.zipped(members)
    except (ValueError, UnicodeError):
        return content


def _open_document(kind: str, body: str) -> bytes:
    inside = f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
    return documents.zipped(
        {
            "mimetype": f"{_ODF}{kind}",
            "META-INF/manifest.xml": "<manifest/>",
            "styles.xml": f"<office:document-styles {_SPACES}/>",
            "content.xml": f"<office:document-content {_SPACES}>{inside}</office:document-content>",
        }
    )


def _sheet() -> str:
    cells = "".join(f"<table:table-cell><text:p>{text}</text:p></table:table-cell>" for text in ("Oslo", "190"))
    return f'<table:table table:name="Prices"><table:table-row>{cells}</table:table-row></table:table>'


def _slide() -> str:
    return "<draw:page><draw:frame><draw:text-box><text:p>Ship it.</text:p></draw:text-box></draw:frame></draw:page>"


def _old_sheet() -> bytes:
    def record(kind: int, content: bytes) -> bytes:
        return struct.pack("<HH", kind, len(content)) + content

    cells = b"".join(
        record(0x04, struct.pack("<HH3xB", row, 0, len(text)) + text) for row, text in enumerate((b"Oslo", b"Lisbon"))
    )
    return record(0x09, struct.pack("<HH", 2, 0x10)) + cells + record(0x0A, b"")


def _converted(kind: str) -> bytes:
    make = [program_of("pandoc"), "--from=html", f"--to={kind}", "--metadata=title:Travel", "--output=-"]
    return subprocess.run(make, input=_PAGE, capture_output=True, check=True).stdout


def _picture(kind: str) -> bytes:
    picture = Image.new("L", (400, 80), "white")
    ImageDraw.Draw(picture).text((10, 20), "Book trains before flights.", fill="black")
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()
