"""Three providers with known prices and known errors: `moat evaluate --models` finds out both, and which to take."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.fakes.api import Api
from tests.fakes.knowing_model import KnowingModel
from tests.fakes.openai_server import openai_server

TREES = "amber birch cedar dune elm fern grove hazel iris jade kelp lime moss nut oak pine"
ROOMS = [f"room {name}" for name in TREES.split()]
ANSWERS = {f"Which code opens {room}?": f"{1000 + n}" for n, room in enumerate(ROOMS)}
NOT_ANSWERED = [f"Which colour has {room} at night?" for room in ROOMS[:4]]
QUESTIONS = list(ANSWERS)
# A call reads 1,000 tokens and writes 100, so a call costs as stated, and 20 of them 20 times that.
CHEAP = {"input_usd_per_million": "0.2", "output_usd_per_million": "0.4"}  # $0.00024 a call
MIDDLE = {"input_usd_per_million": "1", "output_usd_per_million": "4"}  # $0.0014
DEAR = {"input_usd_per_million": "10", "output_usd_per_million": "30"}  # $0.013
ERRORS = {"cheap": 10, "middle": 2, "dear": 1}  # of the 16 answerable questions


@pytest.fixture(scope="module")
def every_provider() -> Iterator[dict[str, KnowingModel]]:
    right = {question: f"The code is {code} [1]." for question, code in ANSWERS.items()}
    with ExitStack() as stack:
        models = {name: KnowingModel(right, QUESTIONS[:wrong]) for name, wrong in ERRORS.items()}
        models["judge"] = KnowingModel({}, right=list(ANSWERS.values()))
        for model in models.values():
            stack.enter_context(openai_server(model=model))
        yield models


@pytest.fixture
def providers(every_provider: dict[str, KnowingModel]) -> dict[str, KnowingModel]:
    for model in every_provider.values():
        model.forget()
    return every_provider


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, every_provider: dict[str, KnowingModel]) -> Iterator[Api]:
    made = Api(
        tmp_path_factory.mktemp("server"),
        providers={
            name: {"base_url": fake.url, "api_key": "sk-x", "max_retries": 0} for name, fake in every_provider.items()
        },
        models={"cheap/a": CHEAP, "middle/b": MIDDLE, "dear/c": DEAR, "judge/j": MIDDLE},
    )
    for question, code in ANSWERS.items():
        room = question.removeprefix("Which code opens ").removesuffix("?")
        made.add(f"{room}.md", f"# {room}\n\nThe code that opens {room} is {code} for everybody.\n")
    yield made
    made.close()


def spent(api: Api) -> Decimal:
    return Decimal(api.admin.get("/v1/costs").json()["total_usd"])


def calls_by_kind(api: Api) -> Counter[str]:
    lines = api.admin.get("/v1/costs", params={"group_by": "kind"}).json()["items"]
    return Counter({line["kind"]: line["calls"] for line in lines})


@pytest.fixture
def question_file(tmp_path: Path) -> Path:
    rows: list[dict[str, Any]] = [
        {"question": q, "answer": code, "file": f"{q.removeprefix('Which code opens ').removesuffix('?')}.md"}
        for q, code in ANSWERS.items()
    ]
    rows += [{"question": question, "answerable": False} for question in NOT_ANSWERED]
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


@pytest.fixture
def compared(moat: Command, question_file: Path, tmp_path: Path) -> Any:
    """Run the comparison with these further arguments, and give its report."""

    def run(*arguments: object) -> dict[str, Any]:
        out = ["--out", tmp_path / "out.json", "--out", tmp_path / "out.md", "--out", tmp_path / "out.svg"]
        models = ["--models", "cheap/a,middle/b,dear/c", "--resume", tmp_path / "kept.jsonl", "--concurrency", 1]
        result = moat("evaluate", "--questions", question_file, *models, *out, *arguments)
        assert result.code == 0, result.err
        report: dict[str, Any] = json.loads((tmp_path / "out.json").read_text())
        return report

    return run


def answers_of(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["arm"]: row["answers"] for row in report["arms"]}


def test_the_known_cost_of_a_correct_answer_is_found_and_the_right_model_recommended(
    compared: Any, providers: dict[str, KnowingModel], tmp_path: Path
) -> None:
    report = compared()
    found = answers_of(report)
    for name, model, correct, cost in (
        ("cheap", "cheap/a", 6, Decimal("0.00024")),
        ("middle", "middle/b", 14, Decimal("0.0014")),
        ("dear", "dear/c", 15, Decimal("0.013")),
    ):
        answers = found[model]
        assert answers["verdicts"] == {
            "correct": correct, "partly": 0, "wrong": 16 - correct, "rightly abstained": 4, "wrongly abstained": 0,
            "not judged": 0,
        }  # fmt: skip
        assert Decimal(answers["cost_usd"]) == 20 * cost
        assert Decimal(answers["usd_per_question"]) == cost
        assert Decimal(answers["usd_per_correct"]) == 20 * cost / correct
        assert (answers["input_tokens"], answers["output_tokens"]) == (1000, 100)
        assert answers["quotes_verbatim"] == 1.0
        assert sorted(providers[name].asked) == sorted(QUESTIONS + NOT_ANSWERED)
    # cheap/a has the cheapest correct answers, but is wrong more often than not; dear/c is one question better.
    assert report["recommendation"].startswith(
        "Take middle/b: 90% right at $0.0020 a correct answer; dear/c is not surely"
    )
    assert "8.7 times as much" in report["recommendation"]
    assert report["recommendation"] in (tmp_path / "out.md").read_text()
    assert "<svg" in (tmp_path / "out.svg").read_text()


def test_every_model_reads_the_same_passages(compared: Any, providers: dict[str, KnowingModel]) -> None:
    compared()
    read = [
        [request["messages"][-1]["content"].split("<source-")[1:] for request in providers[name].requests]
        for name in ERRORS
    ]
    without_marks = [
        [[part.split(">", 1)[1].split("</")[0] for part in prompt] for prompt in prompts] for prompts in read
    ]
    assert without_marks[0] == without_marks[1] == without_marks[2]
    assert all(prompt for prompt in without_marks[0])


def test_a_limit_is_never_passed_and_a_run_goes_on_from_where_it_stopped(
    compared: Any, providers: dict[str, KnowingModel], api: Api
) -> None:
    limit = Decimal("0.1")
    before = spent(api)
    stopped = compared("--max-usd", limit)
    assert 0 < spent(api) - before <= limit
    asked = stopped["questions"]["all"]
    assert 0 < asked < 20
    assert f"{asked} of 20 questions asked of every model" in stopped["notes"][0]
    whole = compared("--max-usd", 1)
    assert whole["questions"]["all"] == 20
    assert whole["notes"] == []
    for name in ERRORS:
        assert sorted(providers[name].asked) == sorted(QUESTIONS + NOT_ANSWERED), "nothing is asked twice"
    assert answers_of(whole)["dear/c"]["cost_usd"] == "0.260"
    assert compared("--max-usd", 0)["questions"]["all"] == 20, "what is kept is shown, whatever the limit"


def test_a_limit_that_no_question_fits_is_a_mistake_of_the_caller(
    moat: Command, question_file: Path, providers: dict[str, KnowingModel], tmp_path: Path
) -> None:
    arguments = ["--models", "cheap/a,dear/c", "--max-usd", "0.001", "--resume", tmp_path / "kept.jsonl"]
    result = moat("evaluate", question_file, *arguments)
    assert result.code == 1
    assert "Raise --max-usd" in result.err
    assert providers["dear"].asked == []


def test_an_answer_that_failed_is_an_error_of_its_model_and_is_asked_again_when_the_run_goes_on(
    compared: Any, providers: dict[str, KnowingModel]
) -> None:
    providers["middle"].fails_on = {QUESTIONS[5]}
    report = compared()
    assert [row["problems"] for row in report["arms"]] == [0, 1, 0]
    assert answers_of(report)["middle/b"]["right"] == pytest.approx(17 / 20), "what failed was not right"
    providers["middle"].fails_on = set()
    assert answers_of(compared())["middle/b"]["verdicts"]["correct"] == 14
    assert len(providers["middle"].asked) == 21


def test_a_judging_model_is_asked_once_for_each_answer_and_paid_apart(
    compared: Any, providers: dict[str, KnowingModel], api: Api
) -> None:
    before = calls_by_kind(api)
    report = compared("--judge", "judge/j")
    found = answers_of(report)
    assert [found[model]["verdicts"]["correct"] for model in ("cheap/a", "middle/b", "dear/c")] == [6, 14, 15]
    assert len(providers["judge"].asked) == 3 * 16
    assert [Decimal(found[model]["judge_usd"]) for model in found] == [16 * Decimal("0.0014")] * 3
    assert Decimal(found["middle/b"]["cost_usd"]) == 20 * Decimal("0.0014"), "the judge is not in it"
    assert calls_by_kind(api) - before == {"answer": 60, "judge": 48}
    compared("--judge", "judge/j")
    assert len(providers["judge"].asked) == 3 * 16


def test_a_file_of_other_questions_is_not_gone_on_with(
    compared: Any, moat: Command, question_file: Path, tmp_path: Path
) -> None:
    compared()
    question_file.write_text('{"question": "Another?", "answerable": false}\n')
    result = moat("evaluate", question_file, "--models", "cheap/a", "--resume", tmp_path / "kept.jsonl")
    assert result.code == 1
    assert "other questions" in result.err


def test_a_line_that_a_crash_left_half_written_is_asked_for_again(
    compared: Any, providers: dict[str, KnowingModel], tmp_path: Path
) -> None:
    first = compared()
    kept = tmp_path / "kept.jsonl"
    kept.write_bytes(kept.read_bytes()[:-40])
    assert answers_of(compared())["dear/c"]["verdicts"] == answers_of(first)["dear/c"]["verdicts"]
    assert sum(len(providers[name].asked) for name in ERRORS) == 61


def test_unknown_models_are_refused_before_anything_is_asked(
    moat: Command, question_file: Path, tmp_path: Path
) -> None:
    result = moat("evaluate", question_file, "--models", "cheap/a,none/x", "--resume", tmp_path / "kept.jsonl")
    assert result.code == 1
    assert "no model 'none/x'" in result.err


def test_a_run_is_set_beside_an_earlier_one(compared: Any, moat: Command, tmp_path: Path) -> None:
    compared()
    before = tmp_path / "before.json"
    (tmp_path / "out.json").rename(before)
    compared()
    result = moat("evaluate", "--compare", before, tmp_path / "out.json", "--json")
    assert result.code == 0, result.err
    report = json.loads(result.out)
    assert [(pair["first"], pair["other"]) for pair in report["comparisons"]] == [
        (f"before: {model}", f"out: {model}") for model in ("cheap/a", "middle/b", "dear/c")
    ]
    assert all(pair["differences"]["right"]["mean"] == 0 for pair in report["comparisons"])
