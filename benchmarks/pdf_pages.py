"""Pages of PDFs with text a second, before embedding: Moat's parser and chunks beside LlamaIndex's, without OCR.

python -m benchmarks.pdf_pages [--docs DIR] [--files N] [--seed S] [--out FILE]
"""

import argparse
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.before_embedding import read_by_moat
from benchmarks.ingest import say, write
from benchmarks.processes import Stage, apart, machine, timed
from benchmarks.sets import set_folder
from benchmarks.tables import number, ratio, table

DEFAULT_SET = "pdf_financebench_dev"
FILES = 6


def main() -> None:
    """Read the same files with both, each in a process of its own, and print pages a second."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path, help=f"folder of PDFs; {DEFAULT_SET} in MOAT_DATA otherwise")
    parser.add_argument("--files", type=int, default=FILES, help="files taken at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="JSON of everything measured")
    options = parser.parse_args()
    files = sorted((options.docs or set_folder(DEFAULT_SET)).rglob("*.pdf"))
    if not files:
        parser.error(f"no PDF in {options.docs or DEFAULT_SET}: name a folder that holds some")
    chosen = random.Random(options.seed).sample(files, min(options.files, len(files)))
    measured: dict[str, tuple[int, Stage]] = {}
    say(f"Moat: reading {len(chosen)} files")
    # The starter reads no picture; what OCR takes depends on the pictures alone.
    measured["Moat"] = read_by_moat(chosen, ocr=False)
    say(f"starter: reading {len(chosen)} files")
    with apart() as process:
        measured["starter"] = process.submit(_by_starter, chosen).result()
    write(options.out, {"machine": machine(), **{name: [pages, asdict(it)] for name, (pages, it) in measured.items()}})
    print(to_markdown(*measured["Moat"], *measured["starter"]))


def to_markdown(our_pages: int, ours: Stage, their_pages: int, theirs: Stage) -> str:
    """Write the table of both."""
    rows = [
        ["pages", number(our_pages), number(their_pages), ratio(our_pages, their_pages)],
        ["seconds", number(ours.wall_s), number(theirs.wall_s), ratio(ours.wall_s, theirs.wall_s)],
        ["CPU seconds", number(ours.cpu_s), number(theirs.cpu_s), ratio(ours.cpu_s, theirs.cpu_s)],
        [
            "pages a second",
            number(our_pages / ours.wall_s),
            number(their_pages / theirs.wall_s),
            ratio(our_pages / ours.wall_s, their_pages / theirs.wall_s),
        ],
        [
            "pages a CPU second",
            number(our_pages / ours.cpu_s),
            number(their_pages / theirs.cpu_s),
            ratio(our_pages / ours.cpu_s, their_pages / theirs.cpu_s),
        ],
    ]
    return table(["PDFs before embedding", "Moat", "starter", "Moat / starter"], rows)


def _by_starter(files: Sequence[Path]) -> tuple[int, Stage]:
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.readers.file import PDFReader

    from benchmarks.starter import CHUNK_TOKENS, OVERLAP_TOKENS

    splitter = SentenceSplitter(chunk_size=CHUNK_TOKENS, chunk_overlap=OVERLAP_TOKENS)
    stages: dict[str, Stage] = {}
    pages = 0
    with timed(stages, "read"):
        for file in files:
            documents = PDFReader().load_data(file)
            splitter.get_nodes_from_documents(documents)
            pages += len(documents)
    return pages, stages["read"]


if __name__ == "__main__":
    main()
