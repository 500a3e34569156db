"""Pictures of text: every frame is a page that is read through OCR."""

from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from ingest.parse.ocr import Ocr
from ingest.parse.options import Options
from moat.errors import ParsingFailed
from moat.records import Element, ParsedDocument

_SMALL_SIDE = 1000  # below it letters are often too small for tesseract
_SAVED_AS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/tiff": "TIFF", "image/bmp": "BMP", "image/webp": "WEBP"}


def parse(path: Path, media_type: str, name: str, options: Options) -> ParsedDocument:
    """Read the text of every frame; raises `ParsingFailed` when one is damaged or has too many pixels."""
    Image.MAX_IMAGE_PIXELS = None  # the bound below is the setting's, and it is checked before anything is decoded
    ocr = Ocr(name, options)
    elements: list[Element] = []
    left: list[int] = []
    try:
        with Image.open(path, formats=[_SAVED_AS[media_type]]) as picture:
            frames = getattr(picture, "n_frames", 1)
            for number in range(1, frames + 1):
                if not ocr.has_room():
                    left = list(range(number, frames + 1))
                    break
                picture.seek(number - 1)
                _check_size(picture, name, options.ocr_max_pixels)
                elements += ocr.read(_readable(picture), number)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise ParsingFailed(
            f"{name!r} is damaged or cut off: it cannot be opened as a picture.",
            "Open it with a picture viewer, save it again as PNG, and send the new file.",
        ) from error
    return ParsedDocument(tuple(elements), pages=frames, warnings=(ocr.left_out(left),) if left else ())


def _check_size(picture: Image.Image, name: str, max_pixels: int) -> None:
    if picture.width * picture.height > max_pixels:
        raise ParsingFailed(
            f"{name!r} has {picture.width} x {picture.height} pixels, more than the {max_pixels} allowed.",
            "Scale it down, or raise MOAT_SANDBOX__OCR_MAX_PIXELS.",
        )


def _readable(picture: Image.Image) -> Image.Image:
    """Turn it upright, put what shows through on white, and enlarge what is small."""
    upright = ImageOps.exif_transpose(picture)
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    grey = upright.convert("L")
    return grey.resize((grey.width * 2, grey.height * 2)) if max(grey.size) < _SMALL_SIDE else grey
