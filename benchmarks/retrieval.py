"""Moat's arms and LlamaIndex's starter on the same files and questions, in one table.

python -m benchmarks.retrieval --docs DIR --list FILE --questions FILE --out results.json [--server URL --key KEY]
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.processes import machine
from benchmarks.server import connect, running_moat, upload
from benchmarks.starter_process import STARTER, starter_process
from evaluation.arms import api_arms
from evaluation.client import HttpClient
from evaluation.questions import read_questions
from evaluation.records import Arm, Progress
from evaluation.report import to_json, to_markdown
from evaluation.run import evaluate

MOAT_ARMS = ("hybrid", "dense", "sparse")


def main() -> None:
    """Build what is compared, ask it, print the table and write everything measured."""
    options = _options()
    names = [line.strip() for line in options.list.read_text(encoding="utf-8").splitlines() if line.strip()]
    asked = [name.strip() for name in options.arms.split(",")]
    built: dict[str, Any] = {}
    with ExitStack() as stack:
        arms: list[Arm] = []
        if moat_arms := [name for name in asked if name != STARTER]:
            arms += stack.enter_context(_moat(options, names, moat_arms, built))
        if STARTER in asked:
            arms.append(stack.enter_context(_starter(options.docs, names, built)))
        evaluation = evaluate(read_questions(options.questions), arms, _say)
    result = {"machine": machine(), "files": len(names), "built": built, **to_json(evaluation)}
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(to_markdown(evaluation))


@contextmanager
def _moat(
    options: argparse.Namespace, names: Sequence[str], arms: Sequence[str], built: dict[str, Any]
) -> Iterator[tuple[Arm, ...]]:
    place = nullcontext(options) if options.server else running_moat()
    with place as moat, connect(moat.server, moat.key) as http:
        uploaded = upload(http, options.corpus, options.docs, names)
        built["moat"] = asdict(uploaded)
        print(f"moat: {len(uploaded.states)} files, {uploaded.chunks} chunks in {uploaded.wall_s:.0f} s", flush=True)
        yield api_arms(HttpClient(http), arms, corpora=[options.corpus])


@contextmanager
def _starter(docs: Path, names: Sequence[str], built: dict[str, Any]) -> Iterator[Arm]:
    with starter_process() as starter:
        built[STARTER] = asdict(starter.build(docs, names))
        print(f"starter: {json.dumps(built[STARTER], indent=1)}", flush=True)
        yield Arm(STARTER, starter.search)


def _say(step: Progress) -> None:
    if step.done == step.total:
        print(f"{step.arm}: {step.total} questions asked", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path, required=True, help="folder that the names in --list are relative to")
    parser.add_argument("--list", type=Path, required=True, help="one file name a line")
    parser.add_argument("--questions", type=Path, required=True, help="a question file, as for 'moat evaluate'")
    parser.add_argument("--out", type=Path, required=True, help="JSON of everything measured")
    parser.add_argument("--server", help="a running Moat; without it one is started for the run")
    parser.add_argument("--key", help="an admin key of --server")
    parser.add_argument("--corpus", default="benchmark")
    parser.add_argument("--arms", default=",".join((*MOAT_ARMS, STARTER)))
    options = parser.parse_args()
    if options.server and not options.key:
        parser.error("--server needs --key")
    return options


if __name__ == "__main__":
    main()
