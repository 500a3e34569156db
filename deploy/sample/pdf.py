"""The sample's PDF files, with running headers, page numbers, tables and, if asked for, a table of contents."""

from pathlib import Path

from reportlab import rl_config
from reportlab.lib.colors import HexColor, white
from reportlab.lib.enums import TA_LEFT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import cm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    PageBreak,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)
from reportlab.platypus.tableofcontents import TableOfContents

from deploy.sample.markup import Block

COMPANY = "Larkspan Footbridges"
GREEN, PALE, GREY = HexColor("#1f5c4d"), HexColor("#e8f0ed"), HexColor("#666666")
WIDTH = A4[0] - 4.6 * cm

TEXT = ParagraphStyle("text", fontName="Helvetica", fontSize=10.5, leading=15, spaceAfter=7, alignment=TA_LEFT)
LIST = ParagraphStyle("list", TEXT, leftIndent=16, bulletIndent=4, spaceAfter=4)
CELL = ParagraphStyle("cell", TEXT, fontSize=9.5, leading=12.5, spaceAfter=0)
HEAD = ParagraphStyle("head", CELL, fontName="Helvetica-Bold", textColor=white)
HEADINGS = {
    1: ParagraphStyle(
        "title", TEXT, fontName="Helvetica-Bold", fontSize=26, leading=32, textColor=GREEN, spaceAfter=10
    ),
    2: ParagraphStyle(
        "h1", TEXT, fontName="Helvetica-Bold", fontSize=15, leading=19, textColor=GREEN, spaceBefore=14, keepWithNext=1
    ),
    3: ParagraphStyle(
        "h2", TEXT, fontName="Helvetica-Bold", fontSize=11.5, leading=15, spaceBefore=6, spaceAfter=3, keepWithNext=1
    ),
}


class _WholeParagraph(Paragraph):
    """Never broken over two pages, so that every sentence has one page number."""

    def split(self, _width: float, _height: float) -> list[Flowable]:
        return []


class _Document(BaseDocTemplate):
    """Numbers pages, and tells the table of contents where each chapter begins."""

    def afterFlowable(self, flowable: Flowable) -> None:
        if isinstance(flowable, Paragraph) and flowable.style.name == "h1":
            self.notify("TOCEntry", (0, flowable.getPlainText(), self.page))


def write_pdf(path: Path, blocks: list[Block], contents: bool) -> None:
    """A4 pages; with `contents`, the title, the first paragraph and the table of contents fill the first page."""
    # reportlab otherwise writes the time of the build and a random id into the file.
    rl_config.invariant = 1
    title = blocks[0].text
    document = _Document(str(path), pagesize=A4, title=title, author=COMPANY, subject="Internal", creator=COMPANY)
    frame = Frame(2.3 * cm, 2.2 * cm, WIDTH, A4[1] - 5 * cm, 0, 0, 0, 0)

    def furniture(canvas: Canvas, _: BaseDocTemplate) -> None:
        _draw_furniture(canvas, title)

    document.addPageTemplates(PageTemplate(frames=[frame], onPage=furniture))
    story = [_flowable(block) for block in blocks]
    if contents:
        table = TableOfContents(levelStyles=[ParagraphStyle("toc", TEXT, spaceAfter=3)], dotsMinLevel=0)
        story[2:2] = [Spacer(0, 0.6 * cm), table, PageBreak()]
    document.multiBuild(story)


def _flowable(block: Block) -> Flowable:
    match block.kind:
        case "heading":
            return Paragraph(block.text, HEADINGS[block.level])
        case "bullet":
            return Paragraph(block.text, LIST, bulletText="•")
        case "number":
            return Paragraph(block.text, LIST, bulletText=f"{block.level}.")
        case "table":
            return _table(block.rows)
        case _:
            return _WholeParagraph(block.text, TEXT)


def _table(rows: tuple[tuple[str, ...], ...]) -> Table:
    cells = [[Paragraph(text, HEAD if row is rows[0] else CELL) for text in row] for row in rows]
    return Table(
        cells,
        colWidths=[WIDTH / len(rows[0])] * len(rows[0]),
        splitByRow=0,
        spaceAfter=10,
        style=TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, 0), GREEN),
                ("ROWBACKGROUNDS", (0, 1), (-1, -1), [white, PALE]),
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, GREEN),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        ),
    )


def _draw_furniture(canvas: Canvas, title: str) -> None:
    top, left, right = A4[1] - 1.6 * cm, 2.3 * cm, A4[0] - 2.3 * cm
    canvas.setFont("Helvetica", 8.5)
    canvas.setFillColor(GREY)
    canvas.drawString(left, top, COMPANY)
    canvas.drawRightString(right, top, title)
    canvas.setStrokeColor(GREEN)
    # The company's mark: a deck on a shallow arch.
    canvas.line(left, top - 0.3 * cm, right, top - 0.3 * cm)
    canvas.arc(left, top - 0.75 * cm, left + 2.4 * cm, top - 0.3 * cm, 0, 180)
    canvas.drawString(left, 1.3 * cm, "Internal. Printed copies are valid on the day of printing only.")
    canvas.drawRightString(right, 1.3 * cm, f"Page {canvas.getPageNumber()}")
