"""Moat's arms and LlamaIndex's starter on the same files and questions, in one table.

python -m benchmarks.retrieval --set NAME --out results.json  # a set of MOAT_DATA: co300, co_dev, ret_scifact
python -m benchmarks.retrieval --docs DIR --list FILE --questions FILE --out results.json [--server URL --key KEY]

The first arm is what Moat does by itself; the others are its own dense and BM25 arms over the same chunks, their plain
reciprocal rank fusion, and LlamaIndex's starter; `bm25` in --arms is plain BM25 over whole files of text.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import httpx

from benchmarks.plain_bm25 import PLAIN_BM25, plain_bm25
from benchmarks.processes import machine
from benchmarks.question_sets import LONG_REPORTS, file_of, page_key, question_set
from benchmarks.server import connect, running_moat, upload
from benchmarks.starter_process import STARTER, starter_process
from benchmarks.workload import Workload, listed
from evaluation.arms import PASSAGES, RETRIEVALS, SERVED, api_arms
from evaluation.client import HttpClient
from evaluation.records import Arm, FoundPassage, Progress
from evaluation.report import to_json, to_markdown
from evaluation.run import evaluate

MOAT_ARMS = (SERVED, "hybrid", "dense", "sparse")
DEADLINE_S = 7200


def main() -> None:
    """Build what is compared, ask it, print the table and write everything measured."""
    options = _options()
    asked = [name.strip() for name in options.arms.split(",")]
    built: dict[str, Any] = {}
    with ExitStack() as stack:
        workload = _workload(options, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="questions-"))))
        arms: list[Arm] = []
        if moat_arms := [name for name in asked if name not in (STARTER, PLAIN_BM25)]:
            arms += stack.enter_context(_moat(options, workload, moat_arms, built))
        if STARTER in asked:
            arms.append(stack.enter_context(_starter(workload, built)))
        if PLAIN_BM25 in asked:
            arms.append(Arm(PLAIN_BM25, plain_bm25(workload)))
        evaluation = evaluate(workload.questions, arms, _say)
    result = {"machine": machine(), "files": len(workload.names), "built": built, **to_json(evaluation)}
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(to_markdown(evaluation))


def _workload(options: argparse.Namespace, into: Path) -> Workload:
    workload = question_set(options.set, into) if options.set else listed(options.docs, options.list, options.questions)
    # The judgments hold no right result for a question that nothing answers, and ranking says nothing of those.
    return replace(workload, questions=tuple(question for question in workload.questions if question.relevant))


@contextmanager
def _moat(
    options: argparse.Namespace, workload: Workload, arms: Sequence[str], built: dict[str, Any]
) -> Iterator[tuple[Arm, ...]]:
    place = nullcontext(options) if options.server else running_moat()
    with place as moat, connect(moat.server, moat.key) as http:
        if not options.indexed:
            uploaded = upload(http, options.corpus, workload.root, workload.names, DEADLINE_S)
            built["moat"] = asdict(uploaded)
            print(
                f"moat: {len(uploaded.states)} files, {uploaded.chunks} chunks in {uploaded.wall_s:.0f} s", flush=True
            )
        if workload.name == LONG_REPORTS:
            given = _files_of(http, options.corpus, workload) if options.given else None
            yield tuple(_page_arm(http, options.corpus, name, given) for name in arms)
        else:
            yield api_arms(HttpClient(http), arms, corpora=[options.corpus])


def _files_of(http: httpx.Client, corpus: str, workload: Workload) -> Mapping[str, list[str]]:
    """Give for each question the ids of the files that its right pages are in."""
    listed: dict[str, str] = {}
    cursor: dict[str, str] = {}
    while True:
        page = http.get(f"/v1/corpora/{corpus}/documents", params={"limit": 500, **cursor})
        body = page.raise_for_status().json()
        listed.update((Path(item["key"]).stem, item["id"]) for item in body["items"])
        if not body["next_cursor"]:
            break
        cursor = {"cursor": body["next_cursor"]}
    return {q.text: sorted({listed[file_of(key)] for key in q.relevant}) for q in workload.questions}


def _page_arm(http: httpx.Client, corpus: str, name: str, given: Mapping[str, list[str]] | None) -> Arm:
    """Make an arm whose results are pages, not files; a passage that goes on overleaf is two results.

    With `given` it is told for each question the files to look at.
    """
    fixed: dict[str, Any] = {"corpora": [corpus], "limit": PASSAGES}
    if RETRIEVALS[name]:
        fixed["retrieval"] = RETRIEVALS[name]

    def search(question: str) -> tuple[FoundPassage, ...]:
        only = {} if given is None else {"document_ids": given[question]}
        body = {"question": question, **fixed, **only}
        found = http.post("/v1/search", json=body).raise_for_status().json()["passages"]
        return tuple(
            FoundPassage(page_key(p["key"], page), p["text"], p["score"]) for p in found for page in p["pages"]
        )

    return Arm(name, search)


@contextmanager
def _starter(workload: Workload, built: dict[str, Any]) -> Iterator[Arm]:
    with starter_process() as starter:
        built[STARTER] = asdict(starter.build(workload.root, workload.names))
        print(f"starter: {json.dumps(built[STARTER], indent=1)}", flush=True)
        yield Arm(STARTER, starter.search)


def _say(step: Progress) -> None:
    if step.done == step.total:
        print(f"{step.arm}: {step.total} questions asked", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", help="co300, co_dev, or a folder of MOAT_DATA with questions and judgments")
    parser.add_argument("--docs", type=Path, help="folder that the names in --list are relative to")
    parser.add_argument("--list", type=Path, help="one file name a line")
    parser.add_argument("--questions", type=Path, help="a question file, as for 'moat evaluate'")
    parser.add_argument("--out", type=Path, required=True, help="JSON of everything measured")
    parser.add_argument("--server", help="a running Moat; without it one is started for the run")
    parser.add_argument("--key", help="an admin key of --server")
    parser.add_argument("--corpus", default="benchmark")
    parser.add_argument("--indexed", action="store_true", help="the corpus of --server holds the files already")
    parser.add_argument("--given", action="store_true", help=f"say which file to look at; {LONG_REPORTS} alone")
    parser.add_argument("--arms", default=",".join((*MOAT_ARMS, STARTER)))
    options = parser.parse_args()
    if options.server and not options.key:
        parser.error("--server needs --key")
    if options.indexed and not options.server:
        parser.error("--indexed needs --server")
    if not options.set and not (options.docs and options.list and options.questions):
        parser.error("give --set, or --docs, --list and --questions")
    return options


if __name__ == "__main__":
    main()
