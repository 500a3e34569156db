"""What the benchmarks print and count, without starting anything that takes long."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks import ingest, query
from benchmarks.processes import TOGETHER, Memory, ProcessTree, Stage, apart, watched
from benchmarks.tables import NONE, number, ratio, share, table
from benchmarks.workload import company, listed, sample
from moat.errors import NotFound

HOG = "import sys; held = bytearray(60_000_000); print('held', flush=True); sys.stdin.read()"


def indexed(**changes):
    values = {
        "documents": 10,
        "left_out": {"broken.pdf": "encrypted"},
        "chunks": 100,
        "word_pieces": 20_000,
        "megabytes": 2.0,
        "wall_s": 20.0,
        "cpu_s": 30.0,
        "stages": {"parse": 5.0, "chunk": 1.0, "embed": 14.0},
        "embedding": Stage(wall_s=10.0, cpu_s=18.0),
        "peak_mb": {"api": Memory(300, 400), "worker": Memory(500, 600), TOGETHER: Memory(800, 1000)},
    }
    return ingest.Indexed(**(values | changes))


def cells(markdown):
    rows = [line.strip("| ").split(" | ") for line in markdown.splitlines() if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows}


def test_numbers_show_the_digits_that_matter():
    shown = [number(value) for value in (1234.5, 100, 12.34, 1.204, 0.126, 0.00712, 0, None)]
    assert shown == ["1,234", "100", "12.3", "1.20", "0.13", "0.0071", "0", NONE]


def test_a_ratio_that_says_nothing_is_a_dash():
    assert [ratio(3, 2), ratio(0, 2), ratio(3, 0), ratio(-1, 2), ratio(None, 2)] == ["1.50", "0.00", NONE, NONE, NONE]
    assert [share(1, 4), share(1, 0)] == ["25%", NONE]


def test_a_table_aligns_numbers_right():
    assert table(["", "Moat"], [["files", "3"]]) == "|  | Moat |\n| --- | ---: |\n| files | 3 |"


def test_indexing_is_compared_by_rate_and_by_what_embedding_does_not_explain():
    starter = indexed(
        chunks=50,
        wall_s=40.0,
        cpu_s=60.0,
        embedding=Stage(wall_s=15.0, cpu_s=36.0),
        peak_mb={"starter": Memory(900, 1600), TOGETHER: Memory(900, 1600)},
    )
    shown = cells(ingest.to_markdown(indexed(), starter))
    assert shown["files a second"] == ["0.5", "0.25", "2.00"]
    assert shown["chunks a second"] == ["5.00", "1.25", "4.00"]
    assert shown["seconds beyond embedding"] == ["10.0", "25.0", "0.40"]
    assert shown["CPU seconds beyond embedding"] == ["12.0", "24.0", "0.50"]
    assert shown["peak memory, MB"] == ["800", "1,600", "0.50"]
    assert shown["embed and store"] == ["70% (14.0 s)", "70% (14.0 s)"]


def test_moat_is_shown_beside_the_bare_embedder():
    text = ingest.to_markdown(indexed(sentence_transformers=Stage(wall_s=16.0, cpu_s=30.0)), indexed())
    assert "Moat's engine alone embeds Moat's chunks in 10.0 s, 2,000 word pieces a second" in text
    assert "0.50 times as fast. sentence-transformers alone" in text
    assert "1,250 word pieces a second; Moat, which parses, chunks and stores as well, is 0.80 times" in text


def test_eight_bits_are_shown_beside_the_model_and_the_starter():
    shown = cells(ingest.faster_table(indexed(), indexed(wall_s=10.0), indexed(wall_s=40.0)))
    assert shown["all-MiniLM-L6-v2@int8"] == ["10.0", "1.00", "4.00"]
    assert shown["all-MiniLM-L6-v2"] == ["20.0", "0.5", "2.00"]


def test_latencies_are_percentiles_beside_the_starters():
    ours = {query.SEARCH: [float(ms) for ms in range(1, 101)]}
    theirs = {query.SEARCH: [10.0, 20.0, 100.0]}
    shown = cells(query.to_markdown(ours, theirs))
    assert shown["Moat, all passages"] == ["50.0", "95.0", "2.50", "0.95"]
    assert shown["starter, retrieve"] == ["20.0", "100", "1.00", "1.00"]


def test_memory_of_all_processes_stands_last():
    peak = {TOGETHER: Memory(800, 1000), "worker": Memory(500, 600)}
    shown = cells(query.memory_table(peak, {TOGETHER: Memory(700, 900)}))
    assert list(shown)[1:] == ["---", "worker", TOGETHER]
    assert shown[TOGETHER] == ["800", "1,000", "700"]
    assert shown["worker"] == ["500", "600", NONE]


def test_memory_and_cpu_count_a_process_under_its_name_and_children_under_their_parents():
    with subprocess.Popen([sys.executable, "-c", HOG], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as hog:
        assert hog.stdout.readline() == b"held\n"
        named = ProcessTree(os.getpid(), {os.getpid(): "tests", hog.pid: "hog"})
        unnamed = ProcessTree(os.getpid(), {os.getpid(): "tests"})
        with watched(named) as peaks:
            by_name, merged = named.memory_mb(), unnamed.memory_mb()
        hog.communicate()
    assert by_name["hog"].pss >= 60
    assert by_name[TOGETHER].pss == pytest.approx(by_name["tests"].pss + by_name["hog"].pss)
    assert set(merged) == {"tests", TOGETHER}
    assert merged["tests"].rss >= by_name["hog"].rss
    assert peaks.by_name["hog"].rss >= 60
    assert named.cpu_s() > 0


def test_work_done_apart_keeps_its_process():
    with apart() as process:
        first, second = (process.submit(os.getpid).result() for _ in range(2))
    assert first == second != os.getpid()


def test_questions_are_those_about_listed_files_and_those_without_an_answer(tmp_path):
    rows = [
        {"_id": "a", "question": "In?", "file": "in.md"},
        {"_id": "b", "question": "Out?", "file": "out.md", "other_files_with_same_sentence": ["in.md"]},
        {"_id": "c", "question": "Nowhere?", "answerable": False},
    ]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "few.txt").write_text("in.md\n\n")
    (tmp_path / "in.md").write_bytes(b"x" * 500_000)
    few = listed(tmp_path, tmp_path / "few.txt", tmp_path / "questions.jsonl")
    assert [question.id for question in few.questions] == ["a", "c"]
    assert (few.name, few.names, few.answerable, few.megabytes) == ("few", ("in.md",), ("In?",), 0.5)


def test_the_shipped_sample_has_a_file_for_every_answerable_question():
    workload = sample()
    assert len(workload.answerable) == 25
    assert {key for question in workload.questions for key in question.relevant} <= set(workload.names)


def test_missing_data_are_named_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setenv("MOAT_DATA", str(tmp_path))
    with pytest.raises(NotFound) as refused:
        company()
    assert str(tmp_path) in refused.value.detail
    assert "--sample" in refused.value.hint
