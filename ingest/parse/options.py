"""What the settings say about parsing, as far as a parser needs to know."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Bounds of one document. `ocr_s` is when reading pictures stops, so that the pages read by then are kept."""

    max_expansion: int = 200
    ocr_languages: str = "eng"
    ocr_max_pages: int = 200
    ocr_max_pixels: int = 50_000_000
    ocr_s: float = 150.0
