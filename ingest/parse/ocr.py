"""Text in pictures through tesseract: its words gathered to lines, paragraphs and headings."""

import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING

from ingest.parse.options import Options
from ingest.parse.programs import program_of, run
from moat.errors import ParsingFailed
from moat.records import Element

if TYPE_CHECKING:
    from PIL.Image import Image

_LEAST_CONFIDENCE = 25  # of 100; below it are the marks of pictures and stains
_HEADING_RATIO = 1.5  # of the usual line height; letters with and without tails differ by less
_HEADING_CHARS = 120
_BULLET = re.compile(r"[•‣▪●○◦–*-]\s+|\(?\d{1,2}[.)]\s+")
_SPLIT_WORD = re.compile(r"(?<=[^\W\d_])[-¬]$")
_ADVICE = "Install it ('apt-get install tesseract-ocr', 'brew install tesseract'), then retry the document."


@dataclass(frozen=True, slots=True)
class _Word:
    paragraph: tuple[int, int]  # its block and its number there
    line: int
    height: int
    text: str


class Ocr:
    """Reads pictures within one document's bounds."""

    def __init__(self, name: str, options: Options) -> None:
        self._name = name
        self._options = options
        self._program = ""
        self._pages = 0
        self._ends = time.monotonic() + options.ocr_s

    def has_room(self) -> bool:
        """Tell whether another page may be read."""
        return self._pages < self._options.ocr_max_pages and time.monotonic() < self._ends

    def read(self, picture: "Image", page: int) -> list[Element]:
        """Give what one picture says; raises `ParsingFailed` where tesseract or its language data is missing."""
        self._program = self._program or self._ready()
        self._pages += 1
        # One thread: more are slower on a page, and the worker reads several documents at once.
        os.environ["OMP_THREAD_LIMIT"] = "1"
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            picture.save(file, "PNG", compress_level=1)
            file.flush()
            arguments = [file.name, "stdout", "-l", self._options.ocr_languages, "--psm", "3", "tsv"]
            table = run(self._program, arguments, self._name).decode("utf-8", "replace")
        return list(_elements(list(_words(table)), page))

    def left_out(self, pages: list[int]) -> str:
        """Say which pages were not read for lack of room, and what gives more."""
        return (
            f"{len(pages)} page(s) from page {pages[0]} on hold text in pictures and were not read: "
            f"more than {self._options.ocr_max_pages} pages or {self._options.ocr_s:.0f} seconds of reading pictures; "
            "raise MOAT_SANDBOX__OCR_MAX_PAGES or MOAT_SANDBOX__WALL_S, or split the document."
        )

    def _ready(self) -> str:
        program = program_of("picture")
        if not program:
            raise ParsingFailed(
                f"{self._name!r} holds text in pictures; tesseract, which reads it, is not installed.", _ADVICE
            )
        listed = run(program, ["--list-langs"], self._name).decode("utf-8", "replace").split()
        missing = [one for one in self._options.ocr_languages.split("+") if one not in listed]
        if missing:
            packages = " ".join(f"tesseract-ocr-{one.replace('_', '-')}" for one in missing)
            raise ParsingFailed(
                f"{self._name!r} holds text in pictures; tesseract has no data for {', '.join(missing)}.",
                f"Install it (apt-get install {packages}), or set MOAT_SANDBOX__OCR_LANGUAGES to languages that "
                "'tesseract --list-langs' names; then retry the document.",
            )
        return program


def _words(table: str) -> Iterator[_Word]:
    """Read tesseract's table: level, page, block, paragraph, line, word, left, top, width, height, sureness, text."""
    for row in table.splitlines()[1:]:
        cells = row.split("\t", 11)
        if len(cells) == 12 and cells[0] == "5" and cells[11].strip() and float(cells[10]) >= _LEAST_CONFIDENCE:
            yield _Word((int(cells[2]), int(cells[3])), int(cells[4]), int(cells[9]), cells[11].strip())


def _elements(words: list[_Word], page: int) -> Iterator[Element]:
    if not words:
        return
    usual = median(word.height for word in words)
    for _, paragraph in groupby(words, key=lambda word: word.paragraph):
        lines = [list(line) for _, line in groupby(paragraph, key=lambda word: word.line)]
        text = ""
        for line in (" ".join(word.text for word in line) for line in lines):
            hyphenated = _SPLIT_WORD.search(text) and line[0].islower()
            text = text[:-1] + line if hyphenated else f"{text} {line}".strip()
        height = median(max(word.height for word in line) for line in lines)
        if height >= usual * _HEADING_RATIO and len(text) <= _HEADING_CHARS and sum(map(str.isalpha, text)) > 2:
            yield Element("heading", text, page, 1 if height >= usual * _HEADING_RATIO**2 else 2)
        else:
            yield Element("list_item" if _BULLET.match(text) else "text", text, page)
