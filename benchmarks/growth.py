"""How long retrieval takes as an index grows: embedding the question, both arms, rescoring, fusion, the catalog.

python -m benchmarks.growth --home DIR --build  # grow the indexes, once
python -m benchmarks.growth --home DIR          # ask them: p50 and p95, each optional stage beside the whole

The first chunks are real ones of `co_dev`; the others are seeded perturbations of them (noise on every vector, one term
in five exchanged), ten to a document. It is asked as the API asks, by a reader who may read every other document.
The engine leaves what it keeps on disk out of memory when it starts: the first time that a question is asked it is read
from there.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid5

import numpy as np
import psutil

from answering.query import Parts, Query, Retrieval
from answering.retrieve import search
from benchmarks.processes import machine
from benchmarks.tables import number, table
from benchmarks.workload import company
from evaluation.metrics import percentile
from ingest.embed import embed
from ingest.pipeline import prepare
from ingest.sandbox import Sandbox
from moat.corpora import create_corpus
from moat.database import Database
from moat.embedder import Embedder, Embedders
from moat.errors import Unavailable
from moat.llm.gateway import Gateway
from moat.media import sniff
from moat.object_blobs import open_blobs
from moat.pipeline_settings import PipelineSettings
from moat.records import EVERYONE, Chunk, DocumentState, EmbeddedChunk, Reader, SparseVector, Vector
from moat.settings import Settings
from moat.tables import Document, DocumentAccess, Generation, LikenessRow, Version
from moat.vectors import Vectors

SIZES = (10_000, 50_000, 200_000)
SEED_FILES, PER_DOCUMENT = 60, 10
NOISE, EXCHANGED = 0.15, 0.2
READER = Reader(None, "reader", frozenset({"half"}), frozenset({"read"}))
COLD = "as served, read from the disk"
STAGES: Mapping[str, Retrieval] = {
    COLD: Retrieval(),
    "as served": Retrieval(),
    "without late interaction": Retrieval(("dense", "sparse")),
    "dense alone": Retrieval(("dense",)),
    "BM25 alone": Retrieval(("sparse",)),
}
_HERE = UUID("5f0a8d1e-6f1b-4f5e-9a63-6d1f0c0ffee0")
_START_S = 60
WARM_UP = "What is written down here?"


def main() -> None:
    """Grow the indexes or ask them."""
    options = _options()
    options.home.mkdir(parents=True, exist_ok=True)
    with _edge(options.home) as (settings, engine):
        parts = _parts(settings)
        if options.build:
            _build(parts, options.sizes)
            return
        questions = company().answerable[: options.questions]
        rows = {size: _ask(parts, size, questions, engine) for size in options.sizes}
    if options.out:
        options.out.write_text(json.dumps({"machine": machine(), "ms": rows}, indent=1), encoding="utf-8")
    body = [
        [f"{size:,} chunks, {stage}", *(number(percentile(times, p)) for p in (50, 95)), number(cpu)]
        for size, stages in rows.items()
        for stage, (times, cpu) in stages.items()
    ]
    print(table(["milliseconds", "p50", "p95", "CPU, mean"], body))


def _ask(
    parts: Parts, size: int, questions: Sequence[str], engine: psutil.Process
) -> dict[str, tuple[list[float], float]]:
    """Give each stage's milliseconds by the clock, and the CPU's mean over this process and the engine."""
    asked: dict[str, tuple[list[float], float]] = {}
    for stage, retrieval in STAGES.items():
        list(_timed(parts, size, [WARM_UP] if stage == COLD else questions, retrieval))
        began = _cpu_s(engine)
        times = list(_timed(parts, size, questions, retrieval))
        asked[stage] = times, (_cpu_s(engine) - began) * 1000 / len(times)
    return asked


def _cpu_s(engine: psutil.Process) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in (psutil.Process(), engine))


def _timed(parts: Parts, size: int, questions: Sequence[str], retrieval: Retrieval) -> Iterator[float]:
    for question in questions:
        began = time.perf_counter()
        found = search(Query(question, (_name(size),), retrieval=retrieval), READER, parts)
        yield (time.perf_counter() - began) * 1000
        if not found.passages:
            raise RuntimeError(f"nothing was found among {size} chunks: build them first")


def _build(parts: Parts, sizes: Sequence[int]) -> None:
    embedder = parts.embedders.get(parts.settings.embedder.default)
    seeds = list(_seeds(embedder))
    for size in sizes:
        dice = np.random.default_rng(size)
        with parts.database.transaction() as session:
            corpus = create_corpus(session, _name(size), [EVERYONE], PipelineSettings())
            generation = session.get_one(Generation, corpus.serving_generation)
            generation.dimension = embedder.dimension
            collection, generation_id, corpus_id = generation.collection, generation.id, corpus.id
        parts.vectors.create(collection, embedder.dimension, tokens=True)
        began = time.monotonic()
        for at in range(0, size, PER_DOCUMENT):
            document = uuid5(_HERE, f"{size}/{at}")
            access = [EVERYONE] if at // PER_DOCUMENT % 2 else ["nobody"]
            _catalog(parts.database, corpus_id, document, access)
            chunks = [_like(seeds, at + ordinal, ordinal, dice) for ordinal in range(PER_DOCUMENT)]
            parts.vectors.upsert(collection, generation_id, document, 1, access, chunks)
        print(f"{size:,} chunks after {time.monotonic() - began:.0f} s", flush=True)


def _seeds(embedder: Embedder) -> Iterator[EmbeddedChunk]:
    files = company()
    sandbox = Sandbox(Settings().sandbox)
    for name in files.names[:SEED_FILES]:
        path = files.root / name
        with path.open("rb") as opened:
            media_type = sniff(opened.read(4096), path, path.name)
        prepared = prepare(sandbox.parse(path, media_type, path.name), path.name, PipelineSettings(), embedder)
        for batch in embed(prepared.chunks, prepared.about, embedder, tokens=True):
            yield from batch
    sandbox.close()


def _like(seeds: Sequence[EmbeddedChunk], number: int, ordinal: int, dice: np.random.Generator) -> EmbeddedChunk:
    """Make a chunk like a real one; the first of all are the real ones."""
    seed = seeds[number % len(seeds)]
    chunk = Chunk(ordinal, seed.chunk.text, 0, len(seed.chunk.text), None, seed.chunk.heading_path, seed.chunk.tokens)
    if number < len(seeds):
        return replace(seed, chunk=chunk)
    other = seeds[int(dice.integers(len(seeds)))].sparse
    taken = dice.random(len(seed.sparse.indices)) < EXCHANGED
    terms = dict(zip(seed.sparse.indices, seed.sparse.values, strict=True))
    for term, gone in zip(seed.sparse.indices, taken, strict=True):
        if gone:
            del terms[term]
    terms |= dict(list(zip(other.indices, other.values, strict=True))[: int(taken.sum())])
    tokens = None if seed.tokens is None else _noisy(seed.tokens, dice)
    return EmbeddedChunk(
        chunk, _noisy(seed.dense[None], dice)[0], SparseVector(tuple(terms), tuple(terms.values())), tokens
    )


def _noisy(rows: Vector, dice: np.random.Generator) -> Vector:
    moved = rows + dice.normal(0, NOISE / np.sqrt(rows.shape[1]), rows.shape).astype(np.float32)
    unit: Vector = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return unit


def _catalog(database: Database, corpus_id: UUID, document: UUID, access: Sequence[str]) -> None:
    key = f"{document}.txt"
    with database.transaction() as session:
        session.add(
            Document(
                id=document, corpus_id=corpus_id, key=key, name=key, version=1, serving_version=1,
                state=DocumentState.READY, uploaded_by="benchmark",
            )
        )  # fmt: skip
        session.flush()
        session.add_all(DocumentAccess(document_id=document, principal=principal) for principal in access)
        session.add(Version(document_id=document, number=1, sha256=key, size=1, filename=key, media_type="text/plain"))
        session.add(LikenessRow(document_id=document, version=1, language="en", signature=b""))


def _name(size: int) -> str:
    return f"grown-{size}"


def _parts(settings: Settings) -> Parts:
    database = Database(settings.database_url)
    database.migrate()
    vectors = Vectors.from_settings(settings)
    for _ in range(_START_S * 10):
        try:
            vectors.check()
            break
        except Unavailable:
            time.sleep(0.1)
    return Parts(
        settings, database, vectors, Embedders(settings.embedder), open_blobs(settings), Gateway(settings, database)
    )


@contextmanager
def _edge(home: Path) -> Iterator[tuple[Settings, psutil.Process]]:
    """Serve the home's vectors as `moat up` does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-P", "-m", "services.edge", "--home", str(home / "qdrant"), "--port", str(port)]
    process = subprocess.Popen(command, env=os.environ | {"MOAT_QDRANT__API_KEY": "benchmark"})
    try:
        url = f"http://127.0.0.1:{port}"
        qdrant = {"url": url, "grpc_port": port, "api_key": "benchmark"}
        yield Settings.model_validate({"home": home, "qdrant": qdrant}), psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(_START_S)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True, help="folder of the grown indexes, 10 kB a chunk")
    parser.add_argument("--build", action="store_true", help="grow them first")
    parser.add_argument("--sizes", type=lambda text: [int(n) for n in text.split(",")], default=list(SIZES))
    parser.add_argument("--questions", type=int, default=80, help="how many of the questions are asked")
    parser.add_argument("--out", type=Path, help="JSON of everything measured")
    return parser.parse_args()


if __name__ == "__main__":
    main()
