"""Word, PowerPoint and Excel files of the sample, with fixed dates so that a rebuild changes no byte."""

import re
import zipfile
from datetime import datetime
from pathlib import Path

import docx
import openpyxl
import pptx
from docx.shared import Cm as DocxCm
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from pptx.dml.color import RGBColor
from pptx.enum.shapes import MSO_SHAPE
from pptx.slide import Slide
from pptx.util import Cm, Pt

from deploy.sample.markup import Block
from deploy.sample.workbooks import Sheets

COMPANY = "Larkspan Footbridges"
GREEN = "1F5C4D"
TITLE_LAYOUT, BULLET_LAYOUT, TABLE_LAYOUT = 0, 1, 5


def write_docx(path: Path, blocks: list[Block], written: datetime) -> None:
    """A Word document with Word's own heading, list and table styles."""
    document = docx.Document()
    section = document.sections[0]
    section.page_width, section.page_height = DocxCm(21), DocxCm(29.7)
    section.header.paragraphs[0].text = COMPANY
    for block in blocks:
        match block.kind:
            case "heading" if block.level == 1:
                document.add_heading(block.text, 0)
                section.footer.paragraphs[0].text = f"{block.text}, internal"
            case "heading":
                document.add_heading(block.text, block.level - 1)
            case "paragraph":
                document.add_paragraph(block.text)
            case "bullet":
                document.add_paragraph(block.text, "List Bullet")
            case "number":
                document.add_paragraph(block.text, "List Number")
            case "table":
                table = document.add_table(0, len(block.rows[0]), "Light Grid Accent 3")
                for row in block.rows:
                    for cell, text in zip(table.add_row().cells, row, strict=True):
                        cell.text = text
                document.add_paragraph()
    _describe(document.core_properties, blocks[0].text, written)
    document.save(str(path))
    _fix_dates(path, written)


def write_pptx(path: Path, blocks: list[Block], written: datetime) -> None:
    """A slide for each first-level heading: a title slide, then bullets or a table, with speaker's notes."""
    deck = pptx.Presentation()
    deck.slide_width, deck.slide_height = Cm(33.87), Cm(19.05)
    starts = [index for index, block in enumerate(blocks) if block.kind == "heading"]
    for start, end in zip(starts, [*starts[1:], len(blocks)], strict=True):
        body = blocks[start + 1 : end]
        table = any(block.kind == "table" for block in body)
        layout = TITLE_LAYOUT if start == 0 else TABLE_LAYOUT if table else BULLET_LAYOUT
        slide = deck.slides.add_slide(deck.slide_layouts[layout])
        _band(slide, height=Cm(19.05) if start == 0 else Cm(0.6))
        slide.shapes.title.text = blocks[start].text
        _place(slide.shapes.title, top=6 if start == 0 else 1.2, height=3, size=44 if start == 0 else 34)
        if table:
            _slide_table(slide, next(block.rows for block in body if block.kind == "table"))
        else:
            lines = [block.text for block in body if block.kind != "note"]
            _slide_text(slide, lines, opening=start == 0)
        slide.notes_slide.notes_text_frame.text = "\n".join(block.text for block in body if block.kind == "note")
    _describe(deck.core_properties, blocks[0].text, written)
    deck.save(str(path))
    _fix_dates(path, written)


def write_xlsx(path: Path, sheets: Sheets, written: datetime) -> None:
    """A workbook with a bold, frozen header row and bold totals on each sheet."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        for cell in sheet[1]:
            cell.font, cell.fill = Font(bold=True, color="FFFFFF"), PatternFill("solid", start_color=GREEN)
        for row in sheet.iter_rows(min_row=2):
            for cell in row:
                cell.alignment = Alignment(vertical="top", wrap_text=True)
                if str(row[0].value).startswith(("Total", "Operating result")):
                    cell.font = Font(bold=True)
                if isinstance(cell.value, int) and cell.value >= 3000:
                    cell.number_format = "#,##0"
        for index, column in enumerate(zip(*rows, strict=True), start=1):
            widest = max(len(str(value)) for value in column if value is not None)
            sheet.column_dimensions[get_column_letter(index)].width = min(60, widest + 3)
        sheet.freeze_panes = "A2"
    _describe(book.properties, path.stem, written)
    book.properties.creator = COMPANY
    book.save(path)
    _fix_dates(path, written)


def _band(slide: Slide, height: int) -> None:
    band = slide.shapes.add_shape(MSO_SHAPE.RECTANGLE, 0, 0, Cm(33.87), height)
    band.fill.solid()
    band.fill.fore_color.rgb = RGBColor.from_string(GREEN)
    band.line.fill.background()
    # The band lies behind the text: shapes are painted in document order.
    slide.shapes._spTree.remove(band._element)
    slide.shapes._spTree.insert(2, band._element)


def _place(shape: object, top: float, height: float, size: int) -> None:
    shape.left, shape.top, shape.width, shape.height = Cm(2), Cm(top), Cm(29.8), Cm(height)
    for paragraph in shape.text_frame.paragraphs:
        paragraph.font.size, paragraph.font.bold = Pt(size), True
        paragraph.font.color.rgb = RGBColor.from_string("FFFFFF" if size > 40 else GREEN)


def _slide_text(slide: Slide, lines: list[str], opening: bool) -> None:
    body = slide.placeholders[1]
    body.left, body.top, body.width, body.height = Cm(2), Cm(9.5 if opening else 5), Cm(29.8), Cm(6 if opening else 12)
    body.text_frame.text = "\n".join(lines)
    for paragraph in body.text_frame.paragraphs:
        paragraph.font.size, paragraph.space_after = Pt(22 if opening else 26), Pt(12)
        if opening:
            paragraph.font.color.rgb = RGBColor.from_string("FFFFFF")


def _slide_table(slide: Slide, rows: tuple[tuple[str, ...], ...]) -> None:
    shape = slide.shapes.add_table(len(rows), len(rows[0]), Cm(2), Cm(5.5), Cm(29.8), Cm(1.8 * len(rows)))
    for row, texts in zip(shape.table.rows, rows, strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
            cell.text_frame.paragraphs[0].font.size = Pt(22)
            if texts is rows[0]:
                cell.fill.solid()
                cell.fill.fore_color.rgb = RGBColor.from_string(GREEN)


def _describe(properties: object, title: str, written: datetime) -> None:
    properties.title, properties.created, properties.modified = title, written, written
    properties.author = properties.last_modified_by = COMPANY


def _fix_dates(path: Path, written: datetime) -> None:
    """Rewrites the archive: libraries stamp each member, and the workbook's properties, with the time of saving."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    stamp = written.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            if name == "docProps/core.xml":
                content = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + stamp, content)
            member = zipfile.ZipInfo(name, date_time=written.timetuple()[:6])
            archive.writestr(member, content, zipfile.ZIP_DEFLATED, compresslevel=9)
