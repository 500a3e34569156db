"""What is read for an answer beside the plain ten best passages: tokens, and whether the answering text is still there.

python -m benchmarks.evidence [--set co300] [--found FOLDER]

`--set` may be given again: co300, co_dev, mt_mtragun_dev, qa_tatqa_dev. What Moat finds is kept in the folder. It also
says how often the sentences that the model without a key quotes hold the answering one, and how many quotes of all its
answers stand at their span in the text that the API gives of the document.
"""

import argparse
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from answering.evidence import weigh
from answering.extractive import pick
from answering.pack import pack, tokens
from answering.sentences import sentence_spans
from answering.words import content_terms
from benchmarks.found_passages import Asked, asked
from benchmarks.sets import set_folder
from benchmarks.tables import number, table
from evaluation.beir import document_key
from evaluation.bootstrap import paired_difference
from evaluation.metrics import sentence_rank, sentence_together
from moat.embedder import Embedder, Embedders
from moat.settings import EmbedderSettings, Settings

Texts = Sequence[tuple[str, str]]  # key and text of each thing that is read
Holds = Callable[[Texts], bool]
PLAIN = 10
CLAIM_TERMS = 3


def main() -> None:
    """Print one table for all sets, and one of what is quoted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", dest="sets", help="a set; co300 without any")
    parser.add_argument("--found", type=Path, default=Path("results"), help="folder that keeps what was found")
    options = parser.parse_args()
    embedder = Embedders(EmbedderSettings()).get(Settings().embedder.default)
    packed, quoted = [], []
    for name in options.sets or ["co300"]:
        rows = asked(name, options.found / f"found-{name}.json")
        packed.append(_packed(name, rows, embedder))
        quoted.append(_quoted(name, rows, embedder))
    head = ["set", "questions", "tokens, plain", "tokens, packed", "saved", "holds, plain", "packed", "packed − plain"]
    print(table(head, packed))
    head = ["set", "quotes", "at their span", "first holds it", "all together hold it", "sentences quoted"]
    print(f"\n{table(head, quoted)}")


def _packed(name: str, rows: Sequence[Asked], embedder: Embedder) -> list[str]:
    limits = Settings().answering
    right = _right(name, rows)
    before, after, plain, kept = [], [], [], []
    for row in rows:
        if row.question.id not in right:
            continue
        ten = row.passages[:PLAIN]
        evidence = weigh(row.question.text, row.passages[: limits.passages], embedder)
        sources = pack(evidence, limits.context_tokens)
        before.append(sum(tokens(p.text) for p in ten))
        after.append(sum(tokens(source.text) for source in sources))
        holds = right[row.question.id]
        plain.append(float(holds([(p.key, p.text) for p in ten])))
        kept.append(float(holds([(source.first.key, source.text) for source in sources])))
    gain = paired_difference(kept, plain)
    saved = 1 - fmean(after) / fmean(before)
    return [
        name, f"{len(plain)}", number(fmean(before)), number(fmean(after)), f"{saved:.0%}", f"{fmean(plain):.3f}",
        f"{fmean(kept):.3f}", f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]",
    ]  # fmt: skip


def _quoted(name: str, rows: Sequence[Asked], embedder: Embedder) -> list[str]:
    right = _right(name, rows)
    quotes = verbatim = 0
    first, together, counts = [], [], []
    for row in rows:
        for citation in row.answer["citations"]:
            quotes += 1
            verbatim += citation["stands"]
        if row.question.id not in right:
            continue
        said = [w.sentence for w in pick(weigh(row.question.text, row.passages[:PLAIN], embedder))]
        holds, texts = right[row.question.id], [(s.passage.key, s.text) for s in said]
        counts.append(len(said))
        first.append(float(holds(texts[:1])))
        together.append(float(holds(_joined(texts))))
    shares = [f"{verbatim / quotes:.1%}" if quotes else "–", f"{fmean(first):.3f}", f"{fmean(together):.3f}"]
    return [name, f"{quotes}", *shares, f"{fmean(counts):.2f}"]


def _joined(texts: Texts) -> Texts:
    keys = dict.fromkeys(key for key, _ in texts)
    return [(key, "\n".join(text for one, text in texts if one == key)) for key in keys]


def _right(name: str, rows: Sequence[Asked]) -> dict[str, Holds]:
    """Give for each question that can be scored what a text must hold."""
    if name == "qa_tatqa_dev":
        return _cells(name, rows)
    if name == "mt_mtragun_dev":
        return _evident(name, rows)
    return {row.question.id: _sentence(row.question.sentence) for row in rows if row.question.sentence}


def _sentence(sentence: str) -> Holds:
    def holds(texts: Texts) -> bool:
        plain = [text for _, text in texts]
        return sentence_rank(sentence, plain) is not None or (bool(plain) and sentence_together(sentence, plain))

    return holds


def _cells(name: str, rows: Sequence[Asked]) -> dict[str, Holds]:
    """Of tables: every part of an answer that stands in the right document must stand in one text of it."""
    answers = {a["_id"]: a for a in _lines(name, "answers.jsonl")}
    documents = {document_key(d["_id"]): _squeezed(d["text"]) for d in _lines(name, "corpus.jsonl")}
    found: dict[str, Holds] = {}
    for row in rows:
        answer = answers.get(row.question.id, {}).get("answer", ())
        parts = [_squeezed(str(part)) for part in (answer if isinstance(answer, list) else [answer])]
        keys = set(row.question.relevant)
        if parts and all(any(part in documents[key] for key in keys) for part in parts):
            found[row.question.id] = _all_parts(parts, keys)
    return found


def _all_parts(parts: Sequence[str], keys: set[str]) -> Holds:
    return lambda texts: any(key in keys and all(part in _squeezed(text) for part in parts) for key, text in texts)


def _evident(name: str, rows: Sequence[Asked]) -> dict[str, Holds]:
    """Of people's own answers: the sentence of the judged passages that shares most words with the answer."""
    answers = {a["_id"]: a for a in _lines(name, "answers.jsonl")}
    documents = {document_key(d["_id"]): d["text"] for d in _lines(name, "corpus.jsonl")}
    found: dict[str, Holds] = {}
    for row in rows:
        said = set(content_terms(answers.get(row.question.id, {}).get("answer", "")))
        sentences = [
            documents[key][start:end] for key in row.question.relevant for start, end in sentence_spans(documents[key])
        ]
        best = max(sentences, key=lambda s: _shared(s, said), default="")
        if len(said & set(content_terms(best))) >= CLAIM_TERMS:
            found[row.question.id] = _sentence(best)
    return found


def _shared(sentence: str, said: set[str]) -> float:
    terms = set(content_terms(sentence))
    return float(len(terms & said) / (len(terms) + 5))


def _squeezed(text: str) -> str:
    return re.sub(r"[\s$€£,]+", "", text.lower())


def _lines(name: str, file: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (set_folder(name) / file).read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
