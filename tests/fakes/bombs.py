"""Small files that would fill the memory or the day of a parser without limits, and files that are just broken."""

import zlib

from tests.fakes import documents

_CELL = "<c t='inlineStr'><is><t>bomb %d</t></is></c>"
_PARAGRAPH = "<w:p><w:r><w:t>bomb %d bomb bomb</w:t></w:r></w:p>"
_WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/{}" ContentType="{}"/></Types>'
)
_RELATIONS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="{}"/></Relationships>'
)


def docx_bomb(megabytes: int, numbered: bool = True) -> bytes:
    """Give a document of so many megabytes of XML; numbered paragraphs keep it under the limit of expansion."""
    text = "".join(_PARAGRAPH % (n * 7919 % 1_000_003 if numbered else 0) for n in range(megabytes * 19_000))
    body = f'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>{text}'
    return _package("word/document.xml", _WORD, {"word/document.xml": f"{body}</w:body></w:document>"})


def xlsx_bomb(rows: int, columns: int = 40) -> bytes:
    """Give a workbook whose one sheet has so many rows of cells."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = f'<worksheet xmlns="{main}"><sheetData>' + "".join(
        f'<row r="{n}">{_CELL % (n * 7919 % 1_000_003) * columns}</row>' for n in range(1, rows + 1)
    )
    relations = (
        '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" '
        'Target="worksheets/sheet1.xml"/></Relationships>'
    )
    book = (
        f'<workbook xmlns="{main}" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
        '<sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>'
    )
    members = {
        "xl/workbook.xml": book,
        "xl/_rels/workbook.xml.rels": relations,
        "xl/worksheets/sheet1.xml": f"{sheet}</sheetData></worksheet>",
    }
    return _package("xl/workbook.xml", _EXCEL, members)


def one_line(kilobytes: int) -> bytes:
    """Give words without a single line break or full stop."""
    words = b"".join(b"word%d " % n for n in range(kilobytes * 130))
    return words[: kilobytes * 1_000]


def wide_csv(kilobytes: int) -> bytes:
    """Give a table of so many kilobytes."""
    row = ",".join(f"value {n}" for n in range(12))
    lines = "".join(f"{n},{row}\n" for n in range(kilobytes * 10))
    return f"id,{','.join(f'column {n}' for n in range(12))}\n{lines}".encode()[: kilobytes * 1_000]


def broken_files() -> dict[str, bytes]:
    """Give files that no program opens, or that hold something else than their name says."""
    deep = 20_000
    return {
        "cut.pdf": documents.pdf([[("Lunch is at noon.", 12)]])[:200],
        "locked.pdf": documents.pdf([[("Nobody reads this.", 12)]], encrypted=True),
        "header-only.pdf": b"%PDF-1.7\n",
        "cut.docx": documents.docx()[:-300],
        "deep.json": b"[" * deep + b"]" * deep,
        "deep.html": b"<div>" * deep + b"deep" + b"</div>" * deep,
        "nul.txt": b"nul\0bytes\0in\0text " * 40,
        "damaged.zip": documents.zipped({"a.txt": b"fine"}).replace(b"fine", b"torn"),
        "outside.zip": documents.zipped({"../../outside.txt": b"Out.", "inside.txt": b"In here."}),
        "entities.xml": _entities(),
        "passwords.xml": b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>These are &e; all.</a>',
        "flood.pdf": _flood(),
    }


def _entities() -> bytes:
    lines = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    return f'<!DOCTYPE a [<!ENTITY e0 "ten">{lines}]><a>&e11;</a>'.encode()


def _flood() -> bytes:
    """A page whose stream unpacks to 400 MB of blanks."""
    packer = zlib.compressobj(9)
    stream = b"".join([packer.compress(b" " * 1_000_000) for _ in range(400)]) + packer.flush()
    head = (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj "
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]/Contents 4 0 R>>endobj "
    )
    return (
        head
        + b"4 0 obj<</Filter/FlateDecode/Length %d>>stream\n" % len(stream)
        + stream
        + b"\nendstream endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
    )


def _package(main: str, kind: str, members: dict[str, str]) -> bytes:
    return documents.zipped(
        {"[Content_Types].xml": _TYPES.format(main, kind), "_rels/.rels": _RELATIONS.format(main), **members}
    )
