"""Do quotes stand where their citations say: on that page, slide or sheet, and at that span of the text?

python -m benchmarks.citations_on_pages [--data DIR] [--files N] [--chunks N] [--seed N] [--worst N]

A seeded sample of chunks of PDFs, slides and sheets is looked up by readers that Moat does not use for them: pypdf and
pdfminer.six, python-pptx, openpyxl. A chunk that runs over several pages is looked up part by part. Only letters and
digits are compared. A quote stands on its page when one of the readers finds it there in one piece, or at least nine
tenths of its pieces of eight characters, or of its words, each as often as it is said (readers differ in the order of
columns, drawings and right-to-left letters). A line of a sheet stands where one single row of the sheet holds each of
its values. Places where the other readers find no text (scans) cannot be checked; they are counted apart.
"""

import argparse
import logging
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.other_readers import PageReader, letters, page_readers
from benchmarks.tables import table
from benchmarks.workload import data_folder
from ingest.pipeline import Prepared, prepare
from ingest.sandbox import Sandbox
from moat.embedder import Embedder, Embedders
from moat.errors import MoatError
from moat.media import sniff
from moat.pipeline_settings import PipelineSettings
from moat.records import Chunk
from moat.settings import EmbedderSettings, SandboxSettings

_PIECE = 8
_ENOUGH = 0.9
_RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff]")
_SCRIPTS = re.compile(r"[\u0590-\u08ff]+|[^\u0590-\u08ff]+")
_FEWEST_LETTERS = 16  # of a place, below which the second reader is taken to have read nothing
_SNIFFED_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Check:
    """One quote against one page; `found` is the share of its pieces there, None where nobody can tell."""

    file: str
    page: int
    quote: str
    found: float | None
    span_is_right: bool

    @property
    def kind(self) -> str:
        return Path(self.file).suffix.lstrip(".").lower()


def main() -> None:
    """Check a sample of every set that is there, print the shares and the worst quotes."""
    options = _options()
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    rng = random.Random(options.seed)
    settings = EmbedderSettings()
    embedder = Embedders(settings).get(settings.default)
    sandbox = Sandbox(SandboxSettings())
    checks: list[Check] = []
    try:
        for path in _sample(options.data, options.files, rng):
            try:
                checks += check_file(path, sandbox, embedder, rng, options.chunks)
            except MoatError as error:
                sys.stderr.write(f"{path.name}: {error.detail}\n")
    finally:
        sandbox.close()
    print(to_markdown(checks))
    print("\n".join(worst(checks, options.worst)))


def worst(checks: Sequence[Check], most: int) -> Iterator[str]:
    """Name the quotes that are not on their page, those found least first."""
    missed = [(check.found, check) for check in checks if check.found is not None and check.found < _ENOUGH]
    for share, check in sorted(missed, key=lambda pair: pair[0])[:most]:
        yield f"{share:.2f} {check.file} p. {check.page}: {' '.join(check.quote.split())[:200]}"


def to_markdown(checks: Sequence[Check]) -> str:
    """Write one row a kind of file, and one for all."""
    kinds = sorted({check.kind for check in checks})
    groups = [(kind, [check for check in checks if check.kind == kind]) for kind in kinds]
    header = ("kind", "files", "quotes", "page is right", "span is right", "not to be checked")
    return table(header, (_row(name, found) for name, found in [*groups, ("all", list(checks))]))


def _row(name: str, checks: Sequence[Check]) -> tuple[str, ...]:
    known = [check for check in checks if check.found is not None]
    right = sum(check.found is not None and check.found >= _ENOUGH for check in known)
    spans = sum(check.span_is_right for check in checks)
    unknown = len(checks) - len(known)
    shares = (f"{right / max(len(known), 1):.2%}", f"{spans / max(len(checks), 1):.2%}")
    return name, str(len({check.file for check in checks})), str(len(known)), *shares, str(unknown)


def check_file(path: Path, sandbox: Sandbox, embedder: Embedder, rng: random.Random, most: int) -> list[Check]:
    """Parse a file as the worker does and check a sample of its chunks."""
    readers = page_readers(path)
    with path.open("rb") as file:
        media_type = sniff(file.read(_SNIFFED_BYTES), path, path.name)
    prepared = prepare(sandbox.parse(path, media_type, path.name), path.name, PipelineSettings(), embedder)
    chunks = list(prepared.chunks)
    chosen = chunks if len(chunks) <= most else rng.sample(chunks, most)
    return [
        Check(path.name, page, quote, found(quote, page, readers), _span_is_right(chunk, prepared))
        for chunk in chosen
        for page, quote in parts(chunk)
    ]


def parts(chunk: Chunk) -> Iterator[tuple[int, str]]:
    """Give the page of each part of a chunk, with the part."""
    starts = [(page, max(at - chunk.start, 0)) for page, at in chunk.page_starts]
    if chunk.page is not None and not (starts and starts[0][1] == 0):
        starts = [(chunk.page, 0), *starts]
    ends = [at for _, at in starts[1:]] + [len(chunk.text)]
    for (page, start), end in zip(starts, ends, strict=True):
        if letters(part := chunk.text[start:end]):
            yield page, part


def found(quote: str, page: int, readers: Sequence[PageReader]) -> float | None:
    """Give the share of a quote that the page has by one of the readers, None where none can read the page."""
    best: float | None = None
    for read in readers:
        text = _text(read, page)
        if len(letters(text)) >= min(_FEWEST_LETTERS, len(letters(quote))):
            best = max(best or 0.0, share_on_page(quote, text))
            if best >= _ENOUGH:
                break
    return best


def share_on_page(quote: str, page: str) -> float:
    """Give the share of a quote that a text has: of its lines for a sheet's rows, else of its pieces or its words."""
    if "\t" in page:
        return _in_rows(quote, page)
    wanted, there = letters(quote), letters(page)
    if wanted in there:
        return 1.0
    pieces = [wanted[i : i + _PIECE] for i in range(max(len(wanted) - _PIECE + 1, 1))]
    words, has = _words(quote), _words(page)
    return max(sum(p in there for p in pieces) / len(pieces), (words & has).total() / words.total())


def _words(text: str) -> Counter[str]:
    """Count words; one of a right-to-left script by its letters in any order, for that is what readers differ in."""
    words: Counter[str] = Counter()
    for part in text.split():
        for found in _SCRIPTS.findall(letters(part)):
            words["".join(sorted(found)) if _RIGHT_TO_LEFT.match(found) else found] += 1
    return words


def _in_rows(quote: str, sheet: str) -> float:
    """Give the share of a quote's lines whose every value stands in one row; a heading names the sheet."""
    rows = [letters(row) for row in sheet.split("\n")]
    header = letters(sheet)
    lines = [line for line in quote.split("\n") if letters(line)]
    return sum(_in_one_row(line, rows, header) for line in lines) / max(len(lines), 1)


def _in_one_row(line: str, rows: Sequence[str], sheet: str) -> bool:
    fields = line.replace(" | ", "; ").split("; ")
    labelled = [field.split(": ", 1) for field in fields]
    return any(
        all(
            letters(field) in row or (letters(pair[-1]) in row and letters(pair[0]) in sheet)
            for field, pair in zip(fields, labelled, strict=True)
        )
        for row in rows
    )


def _text(read: PageReader, page: int) -> str:
    try:
        return read(page)
    except Exception as error:  # noqa: BLE001  # what a reader cannot read is for the next one, or counted apart
        sys.stderr.write(f"page {page}: {type(error).__name__}\n")
        return ""


def _span_is_right(chunk: Chunk, prepared: Prepared) -> bool:
    return prepared.canonical.text[chunk.start : chunk.end] == chunk.text


def _sample(data: Path, files: int, rng: random.Random) -> Iterator[Path]:
    """Give all files of the two mixed sets that have a second reader, and some of the set of long reports."""
    for name, most in (("fmt_dev/docs", None), ("co_dev", None), ("pdf_financebench_dev/docs", files)):
        found = sorted(path for path in (data / name).rglob("*") if path.suffix.lower() in (".pdf", ".pptx", ".xlsx"))
        yield from found if most is None else rng.sample(found, min(most, len(found)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=data_folder(), help="MOAT_DATA otherwise")
    parser.add_argument("--files", type=int, default=12, help="of the long reports")
    parser.add_argument("--chunks", type=int, default=40, help="of each file, at most")
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--worst", type=int, default=0, help="list this many of the quotes found least")
    options = parser.parse_args()
    if not (options.data / "fmt_dev").is_dir():
        parser.error(f"{options.data} holds no fmt_dev; set MOAT_DATA or give --data")
    return options


if __name__ == "__main__":
    main()
