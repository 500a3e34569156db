"""OpenDocument text, RTF, EPUB, reStructuredText, Org and AsciiDoc: pandoc makes HTML of them, which is then read."""

import re
import tempfile
from pathlib import Path

from ingest.parse.decode import decode
from ingest.parse.html import read
from ingest.parse.programs import program_of, run
from moat.errors import ParsingFailed
from moat.records import Element, ParsedDocument

_READERS = {
    "application/vnd.oasis.opendocument.text": "odt",
    "application/epub+zip": "epub",
    "application/rtf": "rtf",
    "text/x-rst": "rst",
    "text/x-org": "org",
    "text/asciidoc": "asciidoc",
}
_PACKED = {"odt", "epub"}
# What steers an AsciiDoc's author tools: attributes of the document, of a block, and macros within a line.
_STEERING = re.compile(r"^:[\w!-]+:.*$|^\[[^\]\n]*\]$|\b[a-z]+:{1,2}(?=[^\s\[]*\[)", re.M)
# pandoc's own template would put its style sheet and an invented title into the page.
_TEMPLATE = "<title>$title$</title>\n$body$\n"


def parse(path: Path, media_type: str, name: str) -> ParsedDocument:
    """Read headings, paragraphs, lists, tables and code; the document's own title comes first."""
    program = program_of("pandoc")
    if not program:
        raise ParsingFailed(
            f"{name!r} needs pandoc, which is not installed.",
            "Install it ('pip install pypandoc_binary', or 'apt-get install pandoc'), then retry the document.",
        )
    reader = _READERS[media_type]
    with tempfile.NamedTemporaryFile("w", suffix=".html", encoding="utf-8") as template:
        template.write(_TEMPLATE)
        template.flush()
        # pandoc's own sandbox: nothing but the file named is read, whatever the document includes.
        arguments = [f"--from={reader}", "--to=html", "--sandbox", "--wrap=none", f"--template={template.name}"]
        if reader in _PACKED:
            markup = run(program, [*arguments, str(path)], name)
        else:
            markup = run(program, arguments, name, decode(path.read_bytes()).encode())
    parsed = read(markup.decode("utf-8", "replace"))
    elements = parsed.elements
    if parsed.title and all(element.text != parsed.title for element in elements[:20]):
        elements = (Element("title", parsed.title, level=1), *elements)
    if reader == "asciidoc" and (steering := _STEERING.findall(decode(path.read_bytes()))):
        elements = (*elements, Element("text", "\n".join(steering), mark="boilerplate"))
    return ParsedDocument(elements, parsed.title)
