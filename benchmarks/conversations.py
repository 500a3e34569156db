"""What the questions asked before are worth: the last turns of conversations, alone, in their own, and in another's.

python -m benchmarks.conversations [--earlier 3]

The set is mt_mtragun_dev. `in another's` gives each turn what was asked in a conversation of another subject: what a
reader loses who goes on to something else without beginning anew.
"""

import argparse
import json
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory

import httpx

from benchmarks.ingest import say
from benchmarks.question_sets import question_set
from benchmarks.server import connect, running_moat, upload
from benchmarks.sets import set_folder
from benchmarks.tables import table
from evaluation.arms import PASSAGES
from evaluation.bootstrap import SEED, paired_difference
from evaluation.metrics import ndcg
from evaluation.records import Question

SET = "mt_mtragun_dev"
ALONE, OWN, ANOTHERS = "alone", "in its own", "in another's"
DEPTH = 10


def main() -> None:
    """Print nDCG@10 of each way, its gain over the question alone, and what it takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--earlier", type=int, default=3, help="earlier questions that count at most")
    options = parser.parse_args()
    settings = {"MOAT_ANSWERING__EARLIER_QUESTIONS": str(options.earlier)}
    with TemporaryDirectory(prefix="moat-set-") as scratch, running_moat(settings) as moat:
        workload = question_set(SET, Path(scratch))
        questions = [question for question in workload.questions if question.relevant]
        own = _histories()
        with connect(moat.server, moat.key) as http:
            upload(http, "benchmark", workload.root, workload.names)
            ways = {ALONE: {}, OWN: own, ANOTHERS: _anothers(own, questions)}
            found = {name: _asked(http, name, questions, earlier) for name, earlier in ways.items()}
    print(_table(found, questions, own))


def _histories() -> dict[str, list[str]]:
    """Read what each query's person had asked before, by the query's id."""
    lines = (set_folder(SET) / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    rows = {row["_id"]: row["metadata"]["history"] for row in map(json.loads, lines)}
    return {id_: [turn["text"] for turn in turns if turn["role"] == "user"] for id_, turns in rows.items()}


def _anothers(own: Mapping[str, list[str]], questions: Sequence[Question]) -> dict[str, list[str]]:
    chance = random.Random(SEED)
    begun = [question for question in questions if own[question.id]]
    found = {}
    for question in questions:
        others = [one for one in begun if not set(own[one.id] + [one.text]) & set(own[question.id] + [question.text])]
        other = chance.choice(others)
        found[question.id] = [*own[other.id], other.text]
    return found


def _asked(
    http: httpx.Client, name: str, questions: Sequence[Question], earlier: Mapping[str, list[str]]
) -> tuple[list[float], list[float]]:
    scores, times_ms = [], []
    for question in questions:
        body = {"question": question.text, "earlier": earlier.get(question.id, []), "limit": PASSAGES}
        started = time.perf_counter()
        passages = http.post("/v1/search", json=body).raise_for_status().json()["passages"]
        times_ms.append((time.perf_counter() - started) * 1000)
        ranked = list(dict.fromkeys(passage["key"] for passage in passages))
        scores.append(ndcg(ranked, question.relevant, DEPTH))
    say(f"{name}: {len(questions)} questions asked")
    return scores, times_ms


def _table(
    found: Mapping[str, tuple[list[float], list[float]]],
    questions: Sequence[Question],
    own: Mapping[str, list[str]],
) -> str:
    base = found[ALONE][0]
    later = [at for at, question in enumerate(questions) if own[question.id]]
    body = []
    for name, (scores, times_ms) in found.items():
        gain = paired_difference(scores, base)
        told = "" if name == ALONE else f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
        follow_ups = fmean(scores[at] for at in later)
        body.append([name, f"{fmean(scores):.3f}", told, f"{follow_ups:.3f}", f"{median(times_ms):.0f}"])
    head = ["conversation", f"nDCG@{DEPTH}, {len(questions)} turns", "gain", f"{len(later)} follow-ups", "median ms"]
    return table(head, body)


if __name__ == "__main__":
    main()
