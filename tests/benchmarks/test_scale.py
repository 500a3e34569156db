"""What the benchmark of whole sets feeds, counts and prints, without starting Moat."""

import gzip
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks import scale
from benchmarks.constant_embedder import DIMENSION, make_constant_embedder
from benchmarks.feeding import Fed, Mark
from benchmarks.holdings import Held, blobs, copies, failures
from benchmarks.processes import TOGETHER, Memory
from benchmarks.question_sets import question_set
from benchmarks.sets import documentation_pages, in_like_tenths
from moat.errors import NotFound
from moat.torch_embedder import load_model

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def held(key: str, content: str, state: str = "ready", at_s: float = 1.0, embedded: int = 3) -> Held:
    return Held(key, state, "" if state == "ready" else "broken", content, 3, embedded, BEGUN + timedelta(seconds=at_s))


def mark(settled: int, at_s: float, cpu_s: float) -> Mark:
    memory = {"worker": Memory(500 + settled, 600), TOGETHER: Memory(900, 1000)}
    return Mark(BEGUN + timedelta(seconds=at_s), settled, {"worker": cpu_s, "api": cpu_s / 2}, memory)


def cells(markdown: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in markdown.splitlines()[2:]]


def test_copies_come_well_behind_their_firsts_and_in_every_tenth() -> None:
    contents = [(f"{number}", bytes([number % 250, number // 1000])) for number in range(2000)]
    order = list(in_like_tenths(contents, seed=1, later=50))
    assert sorted(order) == sorted(name for name, _ in contents)
    content, first, again = dict(contents), {}, []
    for place, name in enumerate(order):
        if place - first.setdefault(content[name], place) > 0:
            again.append(place - first[content[name]])
    assert min(again) >= 40  # the last of them come when nothing else is left
    assert order == list(in_like_tenths(contents, seed=1, later=50)) != list(in_like_tenths(contents, 2, 50))


def test_a_tenth_of_copies_is_spread_over_the_run() -> None:
    contents = [(f"a{number}", b"%d" % number) for number in range(900)] + [(f"b{n}", b"%d" % n) for n in range(100)]
    order = list(in_like_tenths(contents, seed=3, later=60))
    shares = Counter(place // 100 for place, name in enumerate(order) if name.startswith("b"))
    assert all(4 <= shares[tenth] <= 20 for tenth in range(2, 10))


def test_pages_are_unpacked_and_sampled_by_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOAT_DATA", str(tmp_path))
    with pytest.raises(NotFound):
        documentation_pages(tmp_path, None, 0)
    (tmp_path / "big_dev_msdocs").mkdir()
    with gzip.open(tmp_path / "big_dev_msdocs" / "corpus.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.writelines(
            json.dumps({"_id": f"a/{n}.md", "title": "t", "text": f"# é {n % 3}"}) + "\n" for n in range(9)
        )
    query, judged = json.dumps({"_id": "q", "text": "é 1?"}), "query-id\tcorpus-id\tscore\nq\ta/1.md\t1\n"
    (tmp_path / "big_dev_msdocs" / "queries.jsonl").write_text(f"{query}\n", encoding="utf-8")
    (tmp_path / "big_dev_msdocs" / "qrels.tsv").write_text(judged, encoding="utf-8")
    (question,) = question_set("big_dev_msdocs", tmp_path / "asked").questions
    assert (question.text, question.relevant) == ("é 1?", {"a/1.md": 1})
    every = documentation_pages(tmp_path / "all", None, 0)
    assert (len(every.names), len(set(every.names))) == (9, 9)
    assert (every.root / every.names[0]).read_text(encoding="utf-8").startswith("# é ")
    few = [set(documentation_pages(tmp_path / str(seed), 4, seed).names) for seed in (1, 1, 3)]
    assert few[0] == few[1] != few[2]
    assert len(few[0]) == 4


def test_a_later_tenth_is_shown_beside_the_first() -> None:
    fed = Fed([mark(0, 0, 10), mark(10, 10, 11), mark(20, 15, 14)])
    documents = [held(f"{n}", f"{n}", at_s=n / 2) for n in range(1, 21)]
    first, second = cells(scale.tenths_table(fed, documents))
    assert first == ["1", "10", "60", "10.0", "1.00", "1.00", "150", "100", "50.0"]
    assert second == ["2", "10", "0", "5.00", "2.00", "2.00", "450", "300", "150"]
    assert cells(scale.memory_table(fed))[2] == ["2", "520", "900"]


def test_what_copies_cost_is_counted_over_what_became_ready(tmp_path: Path) -> None:
    documents = [held("a", "x"), held("b", "x", embedded=1), held("c", "y"), held("d", "z", state="failed")]
    found = copies(documents)
    assert (found.documents, found.contents, found.copies, found.embedded_for_copies) == (3, 2, 1, 1)
    folder = tmp_path / "blobs" / "originals" / "ab"
    folder.mkdir(parents=True)
    (folder / "abc").write_bytes(b"12345")
    assert blobs(tmp_path) == {"originals": (1, 5)}
    assert failures(documents, {"e": "too large"}) == {"d": "failed: broken", "e": "refused: too large"}


def test_the_constant_embedder_is_a_model_like_any_other(tmp_path: Path) -> None:
    model = load_model(Path(make_constant_embedder(tmp_path)))
    assert (model.get_embedding_dimension(), model.max_seq_length) == (DIMENSION, 256)
    assert model.encode(["a shelf"]).shape == (1, DIMENSION)
