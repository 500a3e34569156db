"""Asking Moat and LlamaIndex's starter the same questions: latency, and memory when nobody asks any more.

python -m benchmarks.query --docs DIR --list FILE --questions FILE [--out FILE]
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import httpx

from benchmarks.ingest import CORPUS, index_with_starter, say, write
from benchmarks.processes import TOGETHER, Memory, ProcessTree, machine
from benchmarks.server import connect, running_moat, upload
from benchmarks.starter_process import StarterProcess, starter_process
from benchmarks.tables import number, ratio, table
from benchmarks.workload import listed
from evaluation.metrics import percentile
from moat.errors import InvalidRequest

PASSAGES = 10
WARM_UP = "What is written down here?"
SEARCH, FIRST_TOKEN, WHOLE_ANSWER = "all passages", "first streamed token", "whole answer"
IDLE_S = 60.0

Latencies = Mapping[str, Sequence[float]]


def ask_moat(http: httpx.Client, questions: Sequence[str]) -> Latencies:
    """Time each question over HTTP: a search, then a streamed extractive answer. In ms, by what was waited for."""
    _search_ms(http, WARM_UP)
    _answer_ms(http, WARM_UP)
    answers = [_answer_ms(http, question) for question in questions]
    return {
        SEARCH: [_search_ms(http, question) for question in questions],
        FIRST_TOKEN: [first for first, _ in answers],
        WHOLE_ANSWER: [whole for _, whole in answers],
    }


def ask_starter(starter: StarterProcess, questions: Sequence[str]) -> Latencies:
    """Time each question's retrieval inside the starter's process, in ms."""
    starter.search_ms(WARM_UP, PASSAGES)
    return {SEARCH: [starter.search_ms(question, PASSAGES) for question in questions]}


def memory_when_idle(tree: ProcessTree, idle_s: float) -> dict[str, Memory]:
    """Tell each process's memory after nothing was asked for a while."""
    time.sleep(idle_s)
    return tree.memory_mb()


def to_markdown(ours: Latencies, theirs: Latencies) -> str:
    """Write the latencies of both; the starter stops at the passages, so all is compared with those."""
    baseline = [percentile(theirs[SEARCH], percent) for percent in (50, 95)]
    rows = []
    for name, values in (*((f"Moat, {name}", values) for name, values in ours.items()), ("starter, retrieve", None)):
        measured = baseline if values is None else [percentile(values, percent) for percent in (50, 95)]
        ratios = [ratio(one, other) for one, other in zip(measured, baseline, strict=True)]
        rows.append([name, *map(number, measured), *ratios])
    return table(["waited for", "p50 ms", "p95 ms", "p50 / starter's", "p95 / starter's"], rows)


def memory_table(peak: Mapping[str, Memory], idle: Mapping[str, Memory]) -> str:
    """Write each process's memory, with that of its children."""
    rows = []
    for name in sorted(peak.keys() | idle.keys(), key=lambda name: (name == TOGETHER, name)):
        most, rest = peak.get(name), idle.get(name)
        peaks = (most.pss, most.rss) if most else (None, None)
        rows.append([name, *map(number, peaks), number(rest.pss if rest else None)])
    return table(["MB", "peak while indexing, PSS", "RSS", "idle, PSS"], rows)


def _search_ms(http: httpx.Client, question: str) -> float:
    began = time.perf_counter()
    body = {"question": question, "corpora": [CORPUS], "limit": PASSAGES}
    http.post("/v1/search", json=body).raise_for_status().json()
    return (time.perf_counter() - began) * 1000


def _answer_ms(http: httpx.Client, question: str) -> tuple[float, float]:
    """Tell when the first token came and when the answer was whole."""
    body = {"question": question, "corpora": [CORPUS], "model": "extractive", "stream": True}
    seen: dict[str, float] = {}
    began = time.perf_counter()
    with http.stream("POST", "/v1/answers", json=body) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if line.startswith("event:"):
                event = line.removeprefix("event:").strip()
                seen.setdefault(event, (time.perf_counter() - began) * 1000)
    if "done" not in seen:
        raise InvalidRequest(f"The answer to {question!r} broke off after {', '.join(seen)}.", "See the API's log.")
    return seen.get("token", seen["done"]), seen["done"]


def main() -> None:
    """Index the listed files with both, ask both, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path, required=True, help="folder that the names in --list are relative to")
    parser.add_argument("--list", type=Path, required=True, help="one file name a line")
    parser.add_argument("--questions", type=Path, required=True, help="a question file, as for 'moat evaluate'")
    parser.add_argument("--out", type=Path, help="JSON of everything measured")
    parser.add_argument("--idle-s", type=float, default=IDLE_S, help="how long to wait before looking at idle memory")
    options = parser.parse_args()
    workload = listed(options.docs, options.list, options.questions)
    with running_moat() as moat, connect(moat.server, moat.key) as http:
        upload(http, CORPUS, workload.root, workload.names)
        say("Moat: indexed")
        ours = ask_moat(http, workload.answerable)
        idle = memory_when_idle(moat.tree, options.idle_s)
    with starter_process() as starter:
        index_with_starter(starter, workload)
        say("starter: indexed")
        theirs = ask_starter(starter, workload.answerable)
    result = {"machine": machine(), "moat": ours, "starter": theirs, "idle_mb": {n: asdict(m) for n, m in idle.items()}}
    write(options.out, result)
    print(to_markdown(ours, theirs), memory_table({}, idle), sep="\n\n")


if __name__ == "__main__":
    main()
