"""How well the check of a model's sentences tells what its sources hold from what they do not.

python -m benchmarks.support [--show]

The sentences are people's own answers of mt_mtragun_dev, over the passages they were written from: none should be
marked. Over the passages of another question nearly all should be, and with a number changed all that hold one.
"""

import argparse
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from answering.pack import Source, join
from answering.sentences import sentence_spans
from answering.support import Support
from benchmarks.sets import set_folder
from benchmarks.tables import share, table
from evaluation.bootstrap import SEED
from moat.embedder import Embedders
from moat.records import Passage
from moat.settings import EmbedderSettings, Settings

SET = "mt_mtragun_dev"
_NUMBER = re.compile(r"\d+")


def main() -> None:
    """Print the share of sentences that are marked, by what was done to them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="show what was marked in vain and what was missed")
    options = parser.parse_args()
    embedder = Embedders(EmbedderSettings()).get(Settings().embedder.default)
    rows = _answers()
    others = rows[1:] + rows[:1]
    counts = {"as written": [0, 0], "over another's passages": [0, 0], "with a number changed": [0, 0]}
    for (question, sentences, sources), (_, _, foreign) in zip(rows, others, strict=True):
        own, other = Support(question, sources, embedder), Support(question, foreign, embedder)
        for sentence in sentences:
            cases = {"as written": (own, sentence), "over another's passages": (other, sentence)}
            if _NUMBER.search(sentence):
                cases["with a number changed"] = (own, _NUMBER.sub(lambda m: str(int(m[0]) + 7), sentence, count=1))
            for case, (support, text) in cases.items():
                marked = support.lack(text, ()) is not None
                counts[case][0] += marked
                counts[case][1] += 1
                if options.show and marked is (case == "as written"):
                    print(f"{case}: {text}")
    body = [[case, f"{of}", f"{marked}", share(marked, of)] for case, (marked, of) in counts.items()]
    print(table(["sentences", "number", "marked", "share"], body))


def _answers() -> list[tuple[str, list[str], Sequence[Source]]]:
    folder = set_folder(SET)
    texts = {row["_id"]: row for row in _lines(folder / "corpus.jsonl")}
    questions = {row["_id"]: row["text"] for row in _lines(folder / "queries.jsonl")}
    rows: list[tuple[str, list[str], Sequence[Source]]] = []
    for answer in _lines(folder / "answers.jsonl"):
        if not answer["evidence"] or not answer["answer"]:
            continue
        sentences = [answer["answer"][start:end] for start, end in sentence_spans(answer["answer"])]
        passages = [_passage(texts[id_]) for id_ in answer["evidence"]]
        rows.append((questions[answer["_id"]], sentences, join(passages)))
    random.Random(SEED).shuffle(rows)
    return rows


def _passage(row: dict[str, str]) -> Passage:
    id_ = uuid5(NAMESPACE_URL, row["_id"])
    text = row["text"]
    return Passage(id_, id_, row["_id"], 1, 0, row["title"], SET, None, (0, len(text)), text, 1.0)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
