"""A whole set through the real API in bulk: every document's end, and whether the last tenth costs what the first did.

python -m benchmarks.scale --set co_dev|big_dev_msdocs [--constant-embedder] [--pages N] [--seed S] [--out FILE]
"""

import argparse
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.constant_embedder import make_constant_embedder
from benchmarks.feeding import Fed, as_json, feed
from benchmarks.holdings import Copies, Held, blobs, copies, failures, held
from benchmarks.ingest import say, warm_up, write
from benchmarks.processes import TOGETHER, machine
from benchmarks.server import connect, running_moat
from benchmarks.sets import DOCUMENTATION, company_files, documentation_pages
from benchmarks.tables import number, ratio, table
from benchmarks.workload import Workload
from moat.errors import MoatError

CORPUS = "scale"
SETS = ("co_dev", DOCUMENTATION)


def main() -> None:
    """Feed the set, keep everything as JSON, and print tables ready for docs/benchmarks.md."""
    options = _options()
    # So that Moat is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="moat-scale-") as folder:
        try:
            workload = _workload(options, Path(folder) / "files")
        except MoatError as error:
            sys.exit(f"{error.detail} {error.hint}")
        settings = {}
        if options.constant_embedder:
            settings["MOAT_EMBEDDER__DEFAULT"] = make_constant_embedder(Path(folder) / "embedder")
        print(measure(workload, settings, options.within_s, options.out))


def measure(workload: Workload, settings: Mapping[str, str], within_s: float, out: Path) -> str:
    """Start Moat with these settings, feed it the files, and write what came of it as Markdown."""
    described = machine()
    with running_moat(settings) as moat, connect(moat.server, moat.key) as http:
        warm_up(http)
        say(f"Moat is ready; feeding it {len(workload.names):,} files")
        fed = feed(http, CORPUS, workload, moat.tree, within_s)
        documents, kept = held(moat.home, CORPUS), blobs(moat.home)
    found, problems = copies(documents), failures(documents, fed.refused)
    write(
        out,
        {
            "set": workload.name,
            "files": len(workload.names),
            "megabytes": workload.megabytes,
            "constant_embedder": bool(settings),
            "machine": described,
            "wall_s": fed.wall_s,
            "marks": [as_json(mark) for mark in fed.marks],
            "states": Counter(document.state for document in documents),
            "failures": problems,
            "copies": asdict(found),
            "blobs": {kind: {"number": count, "bytes": size} for kind, (count, size) in kept.items()},
        },
    )
    parts = (
        summary(workload, documents, problems, fed),
        tenths_table(fed, documents),
        memory_table(fed),
        copies_table(found, kept),
        *(f"- `{key}`: {reason}" for key, reason in sorted(problems.items())),
        f"Everything measured: {out}",
    )
    return "\n\n".join(parts)


def summary(workload: Workload, documents: Sequence[Held], problems: Mapping[str, str], fed: Fed) -> str:
    """Say in a paragraph how many were done, how fast, and how many were not."""
    states = ", ".join(f"{count:,} {state}" for state, count in Counter(d.state for d in documents).most_common())
    begun, ended = fed.marks[0], fed.marks[-1]
    cpu_s = sum(ended.cpu_s.values()) - sum(begun.cpu_s.values())
    done = max(1, len(documents))
    return (
        f"{len(workload.names):,} files of {workload.name}, {number(workload.megabytes)} MB, "
        f"in {number(fed.wall_s)} s: {number(done / fed.wall_s)} documents a second, "
        f"{number(1000 * cpu_s / done)} CPU milliseconds each. States: {states}. "
        f"Not indexed: {len(problems):,} ({len(problems) / max(1, len(workload.names)):.2%})."
    )


def tenths_table(fed: Fed, documents: Sequence[Held]) -> str:
    """Write each tenth's speed and CPU beside the first's."""
    header = ["tenth", "documents", "chunks", "seconds", "documents a second", "by the first's", "CPU ms a document"]
    rows, first = [], 0.0
    names = [name for name in fed.marks[-1].cpu_s if name not in ("supervisor", "valkey")]
    for number_, (before, after) in enumerate(zip(fed.marks, fed.marks[1:], strict=False), 1):
        done, wall_s = after.settled - before.settled, (after.at - before.at).total_seconds()
        chunks = sum(d.chunks for d in documents if d.finished_at and before.at < d.finished_at <= after.at)
        speed = done / wall_s
        first = first or speed
        spent = {name: after.cpu_s[name] - before.cpu_s.get(name, 0.0) for name in after.cpu_s}
        each = [number(1000 * spent[name] / max(1, done)) for name in names]
        cells = [number(done), number(chunks), number(wall_s), number(speed), ratio(speed, first)]
        rows.append([str(number_), *cells, number(1000 * sum(spent.values()) / max(1, done)), *each])
    return table([*header, *names], rows)


def memory_table(fed: Fed) -> str:
    """Write each process's memory at the beginning and after each tenth."""
    names = [name for name in fed.marks[-1].memory if name != TOGETHER]
    rows = [
        [str(at), *(number(mark.memory[name].pss) if name in mark.memory else "" for name in (*names, TOGETHER))]
        for at, mark in enumerate(fed.marks)
    ]
    return table(["MB (PSS) after tenth", *names, TOGETHER], rows)


def copies_table(found: Copies, kept: Mapping[str, tuple[int, int]]) -> str:
    """Write what exact copies cost, beside what is on the disk."""
    rows = [
        ["documents ready", number(found.documents)],
        ["different contents among them", number(found.contents)],
        ["exact copies", number(found.copies)],
        ["chunks", number(found.chunks)],
        ["chunks of the copies", number(found.chunks_of_copies)],
        ["of these embedded again", number(found.embedded_for_copies)],
        *([f"blobs, {kind}", f"{count:,} ({number(size / 1e6)} MB)"] for kind, (count, size) in kept.items()),
    ]
    return table(["", "number"], rows)


def _workload(options: argparse.Namespace, into: Path) -> Workload:
    if options.set == "co_dev":
        return company_files()
    into.mkdir()
    return documentation_pages(into, options.pages, options.seed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=SETS, required=True, help="the evaluation set, looked for in MOAT_DATA")
    parser.add_argument(
        "--constant-embedder", action="store_true", help="embed at next to no cost, to see what all else takes"
    )
    parser.add_argument("--pages", type=int, help="a seeded sample of this many pages of big_dev_msdocs")
    parser.add_argument("--seed", type=int, default=0, help="of the sample and of the order")
    parser.add_argument("--within-s", type=float, default=3600, help="give up after this many seconds")
    parser.add_argument("--out", type=Path, help="JSON of everything measured; results/DATE-scale-SET.json otherwise")
    options = parser.parse_args()
    today = datetime.now(UTC).date().isoformat()
    options.out = options.out or Path("results") / f"{today}-scale-{options.set}.json"
    return options


if __name__ == "__main__":
    main()
