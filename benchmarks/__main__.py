"""Everything in one run: indexing, asking and retrieval, Moat started once and the starter built once.

python -m benchmarks [--sample] [--out FILE]
"""

import argparse
import signal
import sys
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import ingest, query
from benchmarks.processes import machine
from benchmarks.retrieval import MOAT_ARMS
from benchmarks.server import connect, running_moat
from benchmarks.starter_process import STARTER, starter_process
from benchmarks.tables import number
from benchmarks.workload import Workload, company, sample
from evaluation.arms import api_arms
from evaluation.client import HttpClient
from evaluation.records import Arm
from evaluation.report import to_json, to_markdown
from evaluation.run import evaluate
from moat.errors import MoatError

SAMPLE_IDLE_S = 5.0


def main() -> None:
    """Measure, keep everything as JSON, and print tables ready for docs/benchmarks.md."""
    options = _options()
    signal.signal(
        signal.SIGTERM, lambda number, frame: sys.exit(128 + number)
    )  # so that Moat is stopped on the way out
    try:
        workload = sample() if options.sample else company()
    except MoatError as error:
        sys.exit(f"{error.detail} {error.hint}")
    measure(workload, SAMPLE_IDLE_S if options.sample else query.IDLE_S, options.out)


def measure(workload: Workload, idle_s: float, out: Path) -> None:
    """Index and ask with Moat, then with the starter while Moat idles, then compare what both find."""
    described = machine()
    with running_moat() as moat, connect(moat.server, moat.key) as http:
        ingest.say(f"Moat is ready after {moat.ready_s:.1f} s; indexing {len(workload.names)} files")
        ours = ingest.index_with_moat(moat, http, workload)
        ingest.say(f"Moat: {ours.documents} files in {ours.wall_s:.1f} s; asking {len(workload.answerable)} questions")
        our_latencies = query.ask_moat(http, workload.answerable)
        idle = query.memory_when_idle(moat.tree, idle_s)
        with starter_process() as starter:
            ingest.say("starter: indexing")
            theirs = ingest.index_with_starter(starter, workload)
            ingest.say(f"starter: {theirs.documents} files in {theirs.wall_s:.1f} s; asking")
            their_latencies = query.ask_starter(starter, workload.answerable)
            with (
                running_moat({"MOAT_EMBEDDER__DEFAULT": ingest.FASTER}) as second,
                connect(second.server, second.key) as its_http,
            ):
                ingest.say(f"Moat: indexing with {ingest.FASTER}")
                faster = ingest.index_with_moat(second, its_http, workload, ingest.FASTER)
                ingest.say(f"Moat: {faster.documents} files in {faster.wall_s:.1f} s; asking every arm")
                arms = [
                    *api_arms(HttpClient(http), MOAT_ARMS, corpora=[ingest.CORPUS]),
                    *_named(api_arms(HttpClient(its_http), ("hybrid", "dense"), corpora=[ingest.CORPUS]), "int8"),
                    Arm(STARTER, starter.search),
                ]
                evaluation = evaluate(workload.questions, arms)
    ingest.write(
        out,
        {
            "workload": workload.name,
            "machine": described,
            "ready_s": moat.ready_s,
            "ingest": {"moat": asdict(ours), "moat int8": asdict(faster), "starter": asdict(theirs)},
            "query": {"moat": our_latencies, "starter": their_latencies},
            "idle_mb": {name: asdict(memory) for name, memory in idle.items()},
            "retrieval": to_json(evaluation),
        },
    )
    parts = {
        f"Indexing {len(workload.names)} files, {number(workload.megabytes)} MB": ingest.to_markdown(ours, theirs),
        f"With {ingest.FASTER}": ingest.faster_table(ours, faster, theirs),
        f"Asking {len(workload.answerable)} questions": query.to_markdown(our_latencies, their_latencies),
        f"Memory, and idle {idle_s:.0f} s after the last question": query.memory_table(ours.peak_mb, idle),
        "Retrieval": to_markdown(evaluation),
    }
    print("\n\n".join(f"### {title}\n\n{body.strip()}" for title, body in parts.items()))
    print(f"\nMoat was ready {moat.ready_s:.1f} s after it was started.\n\nEverything measured: {out}")


def _named(arms: Iterable[Arm], form: str) -> list[Arm]:
    return [replace(arm, name=f"{arm.name}, {form}") for arm in arms]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", action="store_true", help="measure on the shipped sample company: quick, no data")
    parser.add_argument("--out", type=Path, help="JSON of everything measured; results/DATE.json otherwise")
    options = parser.parse_args()
    today = datetime.now(UTC).date().isoformat()
    options.out = options.out or Path("results") / f"{today}{'-sample' if options.sample else ''}.json"
    return options


if __name__ == "__main__":
    main()
