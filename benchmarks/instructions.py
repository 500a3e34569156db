"""How well the scanner tells planted instructions from ordinary text, and which of them reach a prompt at all.

python -m benchmarks.instructions [--sample N] [--show]
"""

import argparse
import json
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from answering.leaks import Leaks
from answering.prompt import NOT_ANSWERED, SYSTEM, new_mark
from answering.sentences import sentence_spans
from benchmarks.sets import set_folder
from benchmarks.tables import number
from ingest import pipeline
from ingest.instructions import find
from ingest.sandbox import Sandbox
from moat.embedder import Embedder, Embedders
from moat.errors import MoatError
from moat.media import sniff
from moat.pipeline_settings import PipelineSettings
from moat.settings import EmbedderSettings, SandboxSettings

SEED = 0
HEAD_BYTES = 8_192


def main() -> None:
    """Print recall by placement, false alarms by kind, published attacks, and what is withheld in vain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=300, help="files of co_dev to look for false alarms in")
    parser.add_argument("--show", action="store_true", help="show what was missed and what was flagged in vain")
    options = parser.parse_args()
    embedder = Embedders(EmbedderSettings()).get("all-MiniLM-L6-v2")
    sandbox = Sandbox(SandboxSettings())
    try:
        alarms = _planted(sandbox, embedder, options.show)
        vain = _ordinary(sandbox, embedder, options.sample, options.show)
    except MoatError as error:
        sys.exit(f"{error.detail} {error.hint}")
    finally:
        sandbox.close()
    print(f"\nPrecision of flagged passages, both together: {number(alarms / max(1, alarms + vain))}\n")
    _published(options.show)
    _honest()


def _planted(sandbox: Sandbox, embedder: Embedder, show: bool) -> int:
    folder = set_folder("inject_dev")
    tables: dict[str, Counter[str]] = defaultdict(Counter)
    for row in _lines(folder / "manifest.jsonl"):
        prepared = _prepared(folder / row["file"], sandbox, embedder)
        assert prepared is not None, row["file"]
        counts = tables[row["placement"]]
        counts["documents"] += 1
        counts["flagged"] += bool(prepared.report["instructions"])
        spans = [f["span"] for f in prepared.report["instructions"] if f["where"] == "text"]
        planted = [c for c in prepared.chunks if _holds(c.text, row)]
        counts["reached"] += bool(planted)
        right = [c for c in planted if any(start < c.end and end > c.start for start, end in spans)]
        counts["right"] += bool(right)
        if show and planted and not right:
            print(f"missed in {row['file']}: {row['attack']}")
    print("| placement | documents | reach the index | flagged passage | flagged document |\n|---|---|---|---|---|")
    total: Counter[str] = Counter()
    for placement, counts in sorted(tables.items()):
        total += counts
        print(_line(placement, counts))
    print(_line("all", total))
    return total["right"]


def _line(name: str, counts: Counter[str]) -> str:
    reached = counts["reached"]
    return f"| {name} | {counts['documents']} | {reached} | {counts['right']} of {reached} | {counts['flagged']} |"


def _holds(text: str, row: dict[str, Any]) -> bool:
    words = " ".join(text.split())
    return row["canary"] in words or " ".join(row["attack"].split())[:40] in words or _in_base64(row, words)


def _in_base64(row: dict[str, Any], words: str) -> bool:
    return row["placement"] == "md_base64" and "base64" in words


def _ordinary(sandbox: Sandbox, embedder: Embedder, most: int, show: bool) -> int:
    root = set_folder("co_dev") / "docs"
    files = sorted(p for p in root.rglob("*") if p.is_file())
    kinds: Counter[str] = Counter()
    documents = flagged_documents = passages = flagged = 0
    for path in random.Random(SEED).sample(files, min(most, len(files))):
        prepared = _prepared(path, sandbox, embedder)
        if prepared is None:
            continue
        findings = [f for f in prepared.report["instructions"] if f["where"] == "text"]
        documents += 1
        flagged_documents += bool(prepared.report["instructions"])
        passages += len(prepared.chunks)
        spans = [f["span"] for f in findings]
        flagged += sum(any(start < c.end and end > c.start for start, end in spans) for c in prepared.chunks)
        kinds.update({f["kind"] for f in prepared.report["instructions"]})
        if show:
            for finding in findings:
                start, end = finding["span"]
                print(f"in vain, {finding['kind']} in {path.name}: {prepared.canonical.text[start:end]!r}")
    print(f"\nOrdinary text: {documents} documents of co_dev, {passages} passages.")
    print(f"Flagged in vain: {flagged_documents} documents ({flagged_documents / max(1, documents):.1%}), ", end="")
    print(f"{flagged} passages ({flagged / max(1, passages):.2%}); documents by kind: {dict(kinds.most_common())}")
    return flagged


def _published(show: bool) -> None:
    raw = set_folder("inject_dev") / "raw"
    print("| published set | attacks | flagged |\n|---|---|---|")
    for path in sorted(raw.glob("*attack*.json")):
        attacks = [attack for group in json.loads(path.read_text()).values() for attack in group]
        missed = [attack for attack in attacks if not find(attack)]
        print(f"| {path.stem} | {len(attacks)} | {len(attacks) - len(missed)} |")
        if show:
            print("\n".join(f"missed: {attack[:150]!r}" for attack in missed))


def _honest() -> None:
    """Count the people's own answers of a set that the check of answers would withhold a part of."""
    folder = set_folder("mt_mtragun_dev")
    texts = {row["_id"]: row["text"] for row in _lines(folder / "corpus.jsonl")}
    questions = {row["_id"]: row["text"] for row in _lines(folder / "queries.jsonl")}
    answers = [row for row in _lines(folder / "answers.jsonl") if row["evidence"]]
    touched = 0
    for row in answers:
        read = "\n".join(texts[id_] for id_ in row["evidence"])
        leaks = Leaks(SYSTEM, new_mark(), [read], [questions[row["_id"]], NOT_ANSWERED])
        touched += any(leaks.reason(row["answer"][start:end]) for start, end in sentence_spans(row["answer"]))
    print(f"\nHonest answers with a sentence withheld: {touched} of {len(answers)}.")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _prepared(path: Path, sandbox: Sandbox, embedder: Embedder) -> pipeline.Prepared | None:
    try:
        with path.open("rb") as file:
            media_type = sniff(file.read(HEAD_BYTES), path, path.name)
        parsed = sandbox.parse(path, media_type, path.name)
        return pipeline.prepare(parsed, path.name, PipelineSettings(), embedder)
    except MoatError as error:
        print(f"{path.name} is left out: {error.detail}", file=sys.stderr)
        return None


if __name__ == "__main__":
    main()
