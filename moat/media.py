"""What kind of file this is, told by its content: no parser is imported here, so the API may ask."""

import json
import lzma
import re
import zipfile
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from pathlib import Path, PurePath

from moat.errors import InvalidRequest, UnsupportedMedia

OPENXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."
# Media type -> the family whose parser reads it.
SUPPORTED: dict[str, str] = {
    "text/markdown": "markdown",
    "text/plain": "text",
    "text/html": "html",
    "text/csv": "csv",
    "application/json": "json",
    "application/xml": "xml",
    f"{OPENXML}wordprocessingml.document": "office",
    f"{OPENXML}presentationml.presentation": "office",
    f"{OPENXML}spreadsheetml.sheet": "office",
    "message/rfc822": "mail",
    "application/vnd.ms-outlook": "msg",
    "application/pdf": "pdf",
    "application/zip": "bundle",
    "application/vnd.ms-excel": "xls",
    "application/msword": "legacy",
    "application/vnd.ms-powerpoint": "legacy",
    "application/epub+zip": "pandoc",
    f"{_ODF}text": "pandoc",
    f"{_ODF}spreadsheet": "odf",
    f"{_ODF}presentation": "odf",
    "application/rtf": "pandoc",
    "text/x-rst": "pandoc",
    "text/x-org": "pandoc",
    "text/asciidoc": "pandoc",
    "image/png": "picture",
    "image/jpeg": "picture",
    "image/tiff": "picture",
    "image/bmp": "picture",
    "image/webp": "picture",
}
_SAMPLE = 8192
_JSON_PROBE_BYTES = 1_000_000
_OLE_PROBE_BYTES = 20_000_000
_BOMS = (BOM_UTF8, BOM_UTF16_LE, BOM_UTF16_BE)
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x1b"))
_HTML = re.compile(r"\s*(<\?xml[^>]*\?>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S)
_XML = re.compile(r"\s*<(\?xml\b|!DOCTYPE\b|svg\b)", re.I)
_JSON = re.compile(r'\s*(\{\s*["}]|\[\s*[\[{"\]\d\-tfn])')
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]*):[ \t]?")
_MAIL_ONLY = {"message-id", "received", "mime-version", "return-path", "delivered-to", "content-type", "x-mailer"}
_MAIL_ANY = _MAIL_ONLY | {"from", "to", "subject", "date", "cc", "reply-to", "sender"}
_MARKDOWN = re.compile(r"^(#{1,6} \S|```|~~~|\|.*\|\s*$|---\s*$|[*-] .*\]\()", re.M)
_EXTENSIONS = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".csv": "text/csv",
    ".tsv": "text/csv",
    ".txt": "text/plain",
    ".text": "text/plain",
    ".log": "text/plain",
    ".html": "text/html",
    ".htm": "text/html",
    ".eml": "message/rfc822",
    ".json": "application/json",
    ".jsonl": "application/json",
    ".rst": "text/x-rst",
    ".org": "text/x-org",
    ".adoc": "text/asciidoc",
    ".asciidoc": "text/asciidoc",
}
_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)
# What zipfile lets through of a damaged archive: its own errors, and those of whatever unpacks a member.
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(OSError, RuntimeError, NotImplementedError, EOFError, ValueError),
)
# What an Office file of before 2007 names the stream that holds its content.
_OLE_STREAMS = (
    ("EncryptedPackage", ""),
    ("WordDocument", "application/msword"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
    ("Workbook", "application/vnd.ms-excel"),
    ("Book", "application/vnd.ms-excel"),
    ("__properties_version1.0", "application/vnd.ms-outlook"),
)
FORMATS = (
    "md, txt, rst, org, adoc, html, xml, csv, tsv, json, docx, pptx, xlsx, doc, ppt, xls, odt, ods, odp, rtf, epub, "
    "eml, msg, pdf, png, jpg, tiff, bmp, webp and zip"
)
# A member's header, an empty archive, one in parts: text may begin with the two letters as well.
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_HINT = f"Moat reads {FORMATS}; convert the file to one of these."


def sniff(head: bytes, path: Path, filename: str) -> str:
    """Name the media type by content, the extension deciding only between kinds of text.

    `head` is the file's beginning (a few kB), `path` the whole of it, `filename` what the sender calls it. Raises
    `InvalidRequest` for an empty file and `UnsupportedMedia` for a kind that no parser reads.
    """
    size = path.stat().st_size
    if not head or not size:
        raise InvalidRequest(f"{filename!r} is empty.", "Check that the file was saved, then send it again.")
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    if head.startswith(_ZIPS):
        return _zip_kind(path, filename)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _ole_kind(path, filename)
    if head.startswith(b"{\\rtf"):
        return "application/rtf"
    if picture := _picture_kind(head):
        return picture
    if not _is_text(head) or not _is_text(_from_the_middle(path, size), cut_in_front=True):
        raise UnsupportedMedia(f"{filename!r} is {_binary_kind(head)}.", _HINT)
    return _text_kind(_decode_roughly(head[:_SAMPLE]), path, filename, size)


def _picture_kind(head: bytes) -> str | None:
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        return "image/bmp"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    return next((media_type for mark, media_type in _PICTURES if head.startswith(mark)), None)


def _zip_kind(path: Path, filename: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            return _open_document_kind(archive) or _office_kind(archive, filename)
    except KeyError:
        return _plain_zip(path, filename)
    except _DAMAGED as error:
        raise UnsupportedMedia(
            f"{filename!r} begins like a ZIP or Office file, but is damaged or cut off.",
            "Open it with its program, save it again, and send the new file.",
        ) from error


def _open_document_kind(archive: zipfile.ZipFile) -> str | None:
    """Read what OpenDocument and EPUB files state in a member of its own."""
    if "mimetype" not in archive.namelist():
        return None
    with archive.open("mimetype") as member:
        stated = member.read(100).decode("ascii", "replace").strip()
    return stated if stated in SUPPORTED else None


def _plain_zip(path: Path, filename: str) -> str:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    # Formats that are archives inside are known by these.
    if "mimetype" in names[:1] or "META-INF/MANIFEST.MF" in names:
        raise UnsupportedMedia(f"{filename!r} is of a kind built on a ZIP archive.", _HINT)
    return "application/zip"


def _office_kind(archive: zipfile.ZipFile, filename: str) -> str:
    with archive.open("[Content_Types].xml") as member:
        types = member.read(1_000_000).decode("utf-8", "replace")
    for media_type in SUPPORTED:
        if media_type.startswith(OPENXML) and f'"{media_type}.main+xml"' in types:
            return media_type
    macro = re.search(r"application/vnd\.ms-(word|excel|powerpoint)[a-z.]*\.macroEnabled", types, re.I)
    if macro and macro[1].lower() == "excel":  # its macros are never run
        return f"{OPENXML}spreadsheetml.sheet"
    kind = "an Office file with macros" if macro else "an Office file of a kind that Moat does not know"
    raise UnsupportedMedia(f"{filename!r} is {kind}.", "Save it as docx, pptx, xlsx or pdf.")


def _ole_kind(path: Path, filename: str) -> str:
    """Tell the kind by the names in the file's directory, which may stand anywhere in it."""
    with path.open("rb") as file:
        content = file.read(_OLE_PROBE_BYTES)
        if path.stat().st_size > _OLE_PROBE_BYTES:
            file.seek(-_OLE_PROBE_BYTES, 2)
            content += file.read()
    for stream, media_type in _OLE_STREAMS:
        # A directory entry holds its name in 64 bytes, padded with zeros.
        if stream.encode("utf-16-le").ljust(len(stream) * 2 + 2, b"\0") not in content:
            continue
        if not media_type:
            raise UnsupportedMedia(
                f"{filename!r} is an Office file protected by a password.",
                "Save it without a password and send it again.",
            )
        return media_type
    raise UnsupportedMedia(f"{filename!r} is in an old Microsoft format that is not known here.", _HINT)


def _is_text(sample: bytes, cut_in_front: bool = False) -> bool:
    if sample.startswith(_BOMS[1:]):
        return True
    if b"\0" in sample:
        return False
    controls = len(sample) - len(sample.translate(None, _CONTROLS))
    if controls * 100 > len(sample):
        return False
    # A sample may cut a character in two at either end.
    body = sample.lstrip(bytes(range(0x80, 0xC0))) if cut_in_front else sample
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(body) - 4:
            return _is_older_encoding(body)
    return True


def _is_older_encoding(sample: bytes) -> bool:
    from charset_normalizer import from_bytes  # only a file that is not UTF-8 pays for it

    return from_bytes(sample).best() is not None


def _from_the_middle(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        if file.read(2) in _BOMS[1:]:
            return BOM_UTF16_LE
        file.seek(size // 2)
        return file.read(_SAMPLE)


def _binary_kind(head: bytes) -> str:
    import filetype  # type: ignore[import-untyped]  # only a refused file pays for its tables

    found = filetype.guess(head)
    return f"of the kind {found.mime}" if found else "binary data, not text"


def _decode_roughly(sample: bytes) -> str:
    if sample.startswith(_BOMS[1:]):
        return sample.decode("utf-16", "replace")
    return sample.decode("utf-8-sig", "replace")


def _text_kind(text: str, path: Path, filename: str, size: int) -> str:
    claimed = _EXTENSIONS.get(PurePath(filename).suffix.lower())
    if _HTML.match(text):
        return "text/html"
    if _XML.match(text):
        return "application/xml"
    if _is_mail(text, claimed):
        return "message/rfc822"
    if _JSON.match(text) and (claimed == "application/json" or (claimed is None and _is_json(path, size))):
        return "application/json"
    if claimed and claimed.startswith("text/"):
        return claimed
    if _is_table(text):
        return "text/csv"
    return "text/markdown" if _MARKDOWN.search(text) else "text/plain"


def _is_mail(text: str, claimed: str | None) -> bool:
    """Tell a mail by its header; a memo with From, To and Subject counts only when it is called .eml."""
    names = []
    for line in text.splitlines()[:60]:
        found = _HEADER.match(line)
        if found:
            names.append(found[1].lower())
        elif not (line[:1] in (" ", "\t") or (not names and line.startswith(("From ", ">From ")))):
            break
    known = _MAIL_ANY & set(names)
    return bool(known) if claimed == "message/rfc822" else len(known) >= 3 and len(known & _MAIL_ONLY) >= 1


def _is_json(path: Path, size: int) -> bool:
    if size > _JSON_PROBE_BYTES:
        return False
    try:
        json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return True


def _is_table(text: str) -> bool:
    lines = [line for line in text.splitlines()[:-1] if line.strip()][:20]
    if len(lines) < 3:
        return False
    return any(
        lines[0].count(mark) >= 1 and len({line.count(mark) for line in lines}) == 1 for mark in (",", ";", "\t")
    )
