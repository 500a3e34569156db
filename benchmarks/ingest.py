"""Indexing the same files with Moat and with LlamaIndex's starter: speed, stages, CPU and memory.

python -m benchmarks.ingest --docs DIR --list FILE [--out FILE]
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.bare_embedder import embed_bare
from benchmarks.before_embedding import read_by_moat
from benchmarks.processes import TOGETHER, Memory, Stage, machine, watched
from benchmarks.server import RunningMoat, chunks, connect, running_moat, upload
from benchmarks.starter_process import StarterProcess, starter_process
from benchmarks.tables import NONE, number, ratio, share, table
from benchmarks.workload import Workload, listed
from moat.embedder import INT8
from moat.settings import EmbedderSettings

CORPUS = "benchmark"
EMBEDDER = EmbedderSettings().default
FASTER = f"{EMBEDDER}{INT8}"


@dataclass(frozen=True, slots=True)
class Indexed:
    """What indexing took. `stages` hold seconds; `embedding` is what the embedder alone needs for these chunks.

    `sentence_transformers` is what that library needs for them, where another engine embedded; `before_embedding`
    what reading and cutting the files takes by itself, without OCR.
    """

    documents: int
    left_out: Mapping[str, str]
    chunks: int
    word_pieces: int
    megabytes: float
    wall_s: float
    cpu_s: float
    stages: Mapping[str, float]
    embedding: Stage
    peak_mb: Mapping[str, Memory]
    pages: int = 0
    sentence_transformers: Stage | None = None
    before_embedding: Stage | None = None


def index_with_moat(moat: RunningMoat, http: httpx.Client, workload: Workload, embedder: str = EMBEDDER) -> Indexed:
    """Upload the files, wait until all are settled, then let the bare embedder do the same chunks."""
    warm_up(http)
    cpu_s = moat.tree.cpu_s()
    with watched(moat.tree) as peaks:
        uploaded = upload(http, CORPUS, workload.root, workload.names)
    cpu_s = moat.tree.cpu_s() - cpu_s
    texts = chunks(http, CORPUS)
    embedding, by_sentence_transformers = embed_bare([text for text, _ in texts], embedder)
    return Indexed(
        documents=uploaded.ready,
        left_out=uploaded.problems,
        chunks=uploaded.chunks,
        word_pieces=sum(tokens for _, tokens in texts),
        megabytes=workload.megabytes,
        wall_s=uploaded.wall_s,
        cpu_s=cpu_s,
        stages={name.removesuffix("_s"): seconds for name, seconds in uploaded.stages.items()},
        embedding=embedding,
        peak_mb=peaks.by_name,
        pages=uploaded.pages,
        sentence_transformers=by_sentence_transformers,
        # The starter reads no picture; what OCR takes depends on the pictures alone, and counts in all other figures.
        before_embedding=read_by_moat([workload.root / name for name in workload.names], ocr=False)[1],
    )


def index_with_starter(starter: StarterProcess, workload: Workload) -> Indexed:
    """Build the starter from the files; loading its model and its libraries is left out, as it is for Moat."""
    with watched(starter.tree) as peaks:
        built = starter.build(workload.root, workload.names)
    stages = {name: stage for name, stage in built.stages.items() if name != "load"}
    return Indexed(
        documents=built.files - len(built.errors),
        left_out=built.errors,
        chunks=built.chunks,
        word_pieces=built.word_pieces,
        megabytes=workload.megabytes,
        wall_s=sum(stage.wall_s for stage in stages.values()),
        cpu_s=sum(stage.cpu_s for stage in stages.values()),
        stages={
            "parse": stages["parse"].wall_s,
            "chunk": stages["chunk"].wall_s,
            "embed": stages["embed"].wall_s + stages["upsert"].wall_s,
        },
        embedding=stages["embed"],
        before_embedding=Stage(
            stages["parse"].wall_s + stages["chunk"].wall_s, stages["parse"].cpu_s + stages["chunk"].cpu_s
        ),
        peak_mb=peaks.by_name,
    )


def to_markdown(ours: Indexed, theirs: Indexed) -> str:
    """Write the tables of both."""
    return "\n\n".join((_speed_table(ours, theirs), _ceilings(ours), _stage_table(ours, theirs)))


def _ceilings(ours: Indexed) -> str:
    """Say how near Moat comes to what embeds alone."""
    bare = {"Moat's engine": ours.embedding, "sentence-transformers": ours.sentence_transformers}
    return " ".join(
        f"{name} alone embeds Moat's chunks in {number(stage.wall_s)} s, {number(ours.word_pieces / stage.wall_s)} "
        f"word pieces a second; Moat, which parses, chunks and stores as well, is {stage.wall_s / ours.wall_s:.2f} "
        "times as fast."
        for name, stage in bare.items()
        if stage
    )


def faster_table(ours: Indexed, faster: Indexed, theirs: Indexed) -> str:
    """Compare the embedder with its eight-bit form, both beside the starter."""
    rows = [
        [name, number(it.wall_s), number(it.documents / it.wall_s), ratio(theirs.wall_s, it.wall_s)]
        for name, it in ((EMBEDDER, ours), (FASTER, faster), ("starter", theirs))
    ]
    return table(["", "seconds", "files a second", "times the starter's speed"], rows)


def _speed_table(ours: Indexed, theirs: Indexed) -> str:
    measures = {
        "files indexed": lambda it: it.documents,
        "files left out": lambda it: len(it.left_out),
        "chunks": lambda it: it.chunks,
        "word pieces in chunks": lambda it: it.word_pieces,
        "seconds": lambda it: it.wall_s,
        "files a second": lambda it: it.documents / it.wall_s,
        "megabytes a second": lambda it: it.megabytes / it.wall_s,
        "pages a second": lambda it: it.pages / it.wall_s,
        "chunks a second": lambda it: it.chunks / it.wall_s,
        "word pieces a second": lambda it: it.word_pieces / it.wall_s,
        "CPU seconds": lambda it: it.cpu_s,
        "CPU seconds a thousand chunks": lambda it: it.cpu_s / it.chunks * 1000,
        "seconds to parse and chunk alone": lambda it: it.before_embedding and it.before_embedding.wall_s,
        "CPU seconds to parse and chunk alone": lambda it: it.before_embedding and it.before_embedding.cpu_s,
        "seconds beyond embedding": lambda it: it.wall_s - it.embedding.wall_s,
        "CPU seconds beyond embedding": lambda it: it.cpu_s - it.embedding.cpu_s,
        "peak memory, MB": _peak_mb,
    }
    rows = [
        [name, number(measure(ours)), number(measure(theirs)), ratio(measure(ours), measure(theirs))]
        for name, measure in measures.items()
    ]
    return table(["", "Moat", "starter", "Moat / starter"], rows)


def _peak_mb(indexed: Indexed) -> float:
    """A single process is charged all it maps, whoever else maps the same libraries at the time."""
    together = indexed.peak_mb[TOGETHER]
    return together.pss if len(indexed.peak_mb) > 2 else together.rss


def _stage_table(ours: Indexed, theirs: Indexed) -> str:
    names = {"parse": "parse", "chunk": "chunk", "embed": "embed and store"}
    rows = [[words, *(_stage(indexed, name) for indexed in (ours, theirs))] for name, words in names.items()]
    return table(["stage", "Moat", "starter"], rows)


def _stage(indexed: Indexed, name: str) -> str:
    seconds = indexed.stages.get(name)
    return NONE if seconds is None else f"{share(seconds, sum(indexed.stages.values()))} ({number(seconds)} s)"


def warm_up(http: httpx.Client) -> None:
    """Let the worker load its model and start its parser before the clock runs."""
    with tempfile.TemporaryDirectory(prefix="warm-up-") as folder:
        (Path(folder) / "warm-up.txt").write_text("This sentence loads what is loaded once.\n", encoding="utf-8")
        upload(http, "warm-up", Path(folder), ["warm-up.txt"])


def say(text: str) -> None:
    """Tell whoever waits how far it is, beside the output."""
    print(text, file=sys.stderr, flush=True)


def write(out: Path | None, result: dict[str, Any]) -> None:
    """Keep everything measured as JSON, where a place was given."""
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Index the listed files with both and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path, required=True, help="folder that the names in --list are relative to")
    parser.add_argument("--list", type=Path, required=True, help="one file name a line")
    parser.add_argument("--out", type=Path, help="JSON of everything measured")
    options = parser.parse_args()
    workload = listed(options.docs, options.list)
    with running_moat() as moat, connect(moat.server, moat.key) as http:
        ours = index_with_moat(moat, http, workload)
    say(f"Moat: {ours.documents} files in {ours.wall_s:.0f} s")
    with starter_process() as starter:
        theirs = index_with_starter(starter, workload)
    write(options.out, {"machine": machine(), "moat": asdict(ours), "starter": asdict(theirs)})
    print(to_markdown(ours, theirs))


if __name__ == "__main__":
    main()
