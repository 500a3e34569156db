"""A whole run over a few questions, with every figure of its tables worked out by hand."""

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer
from typer.testing import CliRunner

from cli.evaluate import evaluate as evaluate_command
from evaluation.arms import api_arms
from evaluation.client import HttpClient
from evaluation.records import Arm, Evaluation, FoundPassage, GivenAnswer, Progress, Question, Quote
from evaluation.report import to_json, to_markdown
from evaluation.run import evaluate
from evaluation.scores import arm_scores, comparisons
from moat.errors import InvalidRequest, Unavailable
from tests.fakes.measured_moat import MeasuredMoat, answer

QUESTIONS = (
    Question("a", "How long is leave?", {"leave.md": 1}, "Leave is thirty days a year."),
    Question("b", "Who pays?", {"pay.md": 1, "pay-copy.md": 1}, "The company pays every bill."),
    Question("c", "When is lunch?", {"lunch.md": 1}),
    Question("u", "Who is king?", {}, answerable=False),
)
# good: a at file 1, its sentence in passage 1. b: pay-copy at file 2 (passage 3), its sentence in passage 3.
#       c: lunch at file 11, beyond ten.
GOOD = {
    "How long is leave?": [("leave.md", "Leave is thirty days a year.")],
    "Who pays?": [("x.md", "no"), ("x.md", "no"), ("pay-copy.md", "So: the company pays every bill. Good.")],
    "When is lunch?": [(f"x{n}.md", "no") for n in range(10)] + [("lunch.md", "at noon")],
}
# poor: a at file 4, no sentence; the others not at all.
POOR = {"How long is leave?": [("x.md", "no"), ("y.md", "no"), ("z.md", "no"), ("leave.md", "Leave is short.")]}


def passages(found: dict[str, list[tuple[str, str]]], question: str) -> Sequence[FoundPassage]:
    return [FoundPassage(key, text) for key, text in found.get(question, [])]


def arm(name: str, found: dict[str, list[tuple[str, str]]]) -> Arm:
    return Arm(name, lambda question: passages(found, question))


def cited(cost_usd: Decimal, *keys: str) -> GivenAnswer:
    return GivenAnswer(False, cost_usd, "So.", tuple(Quote(key, "so") for key in keys))


@pytest.fixture
def evaluation() -> Evaluation:
    return evaluate(QUESTIONS, [arm("good", GOOD), arm("poor", POOR)])


def test_each_measure_of_a_run_is_what_was_worked_out_by_hand(evaluation: Evaluation) -> None:
    good, poor = arm_scores(evaluation)
    # Three questions have a file: ranks 1, 2 and 11.
    assert good.measures == {
        "hit@1": pytest.approx(1 / 3),
        "hit@5": pytest.approx(2 / 3),
        "hit@10": pytest.approx(2 / 3),
        "mrr@10": pytest.approx((1 + 1 / 2 + 0) / 3),
        # a: 1. b: (1/log2(3)) / (1 + 1/log2(3)) = 0.630930 / 1.630930 = 0.386853. c: 0.
        "ndcg@10": pytest.approx((1 + 0.386853) / 3, abs=1e-6),
        # Two have a sentence: found in passages 1 and 3.
        "sentence@1": 0.5,
        "sentence@5": 1.0,
        "sentence@10": 1.0,
        "sentence_together@10": 1.0,
    }
    assert poor.measures["mrr@10"] == pytest.approx(1 / 4 / 3)
    assert poor.measures["ndcg@10"] == pytest.approx((1 / 2.321928) / 3, abs=1e-6)  # 1 / log2(5) at rank 4
    assert poor.measures["sentence@10"] == 0.0


def test_arms_are_compared_with_the_first(evaluation: Evaluation) -> None:
    (comparison,) = comparisons(evaluation)
    assert (comparison.first, comparison.other) == ("good", "poor")
    # good minus poor: a 1 - 1/4, b 1/2 - 0, c 0 - 0
    assert comparison.differences["mrr@10"].mean == pytest.approx((0.75 + 0.5 + 0) / 3)
    assert comparison.differences["sentence@10"].low == comparison.differences["sentence@10"].high == 1.0


def test_latency_is_one_search_after_an_untimed_one() -> None:
    asked: list[str] = []
    ticks = itertools.accumulate([0.0, 0.010, 0.0, 0.030, 0.0, 0.020])  # begin and end of three searches, in seconds

    def search(question: str) -> Sequence[FoundPassage]:
        asked.append(question)
        return ()

    (scores,) = arm_scores(evaluate(QUESTIONS, [Arm("one", search)], clock=lambda: next(ticks)))
    assert asked == [QUESTIONS[0].text] + [question.text for question in QUESTIONS[:3]]
    # 10, 20, 30 ms: p50 is the ceil(1.5) = 2nd, p95 the ceil(2.85) = 3rd
    assert (scores.p50_ms, scores.p95_ms) == (pytest.approx(20), pytest.approx(30))


def test_answers_are_scored_for_abstention_citations_and_cost() -> None:
    given = {
        "How long is leave?": cited(Decimal("0.001"), "x.md", "leave.md"),  # cites what is relevant
        "Who pays?": cited(Decimal("0.0005"), "x.md"),  # cites something else
        "When is lunch?": GivenAnswer(True, Decimal(0)),  # wrongly abstained
        "Who is king?": GivenAnswer(True, Decimal(0)),  # rightly abstained
    }
    (scores,) = arm_scores(evaluate(QUESTIONS, [Arm("one", lambda question: (), given.__getitem__)]))
    assert scores.answers is not None
    assert scores.answers.cites_relevant == 0.5
    assert scores.answers.cost_usd == Decimal("0.0015")
    assert (scores.answers.abstention.precision, scores.answers.abstention.recall) == (0.5, 1.0)


def test_an_error_after_the_first_question_is_that_questions_outcome_and_counts_as_not_found() -> None:
    def search(question: str) -> Sequence[FoundPassage]:
        if question == "Who pays?":
            raise Unavailable("The vectors are away.", "Wait.")
        return passages(GOOD, question)

    evaluation = evaluate(QUESTIONS, [Arm("shaky", search)])
    (scores,) = arm_scores(evaluation)
    assert scores.problems == 1
    assert scores.measures["hit@10"] == pytest.approx(1 / 3)
    assert "- shaky, b: The vectors are away. Wait." in to_markdown(evaluation)


def test_an_error_at_the_very_first_request_ends_the_run() -> None:
    def search(question: str) -> Sequence[FoundPassage]:
        raise Unavailable("Nobody is there.")

    with pytest.raises(Unavailable):
        evaluate(QUESTIONS, [Arm("dead", search)])


def test_a_defect_in_an_arm_is_not_counted_as_a_result() -> None:
    def search(question: str) -> Sequence[FoundPassage]:
        if question == "Who pays?":
            raise KeyError("passages")
        return ()

    with pytest.raises(KeyError):
        evaluate(QUESTIONS, [Arm("broken", search)])


@pytest.mark.parametrize("concurrency", [1, 3])
def test_progress_is_told_for_each_question_and_outcomes_keep_their_order(concurrency: int) -> None:
    told: list[Progress] = []
    evaluation = evaluate(QUESTIONS, [arm("good", GOOD)], told.append, concurrency=concurrency)
    assert told == [Progress("good", done, 4) for done in (1, 2, 3, 4)]
    assert [outcome.question_id for outcome in evaluation.arms[0].outcomes] == ["a", "b", "c", "u"]
    assert [outcome.file_rank for outcome in evaluation.arms[0].outcomes] == [1, 2, 11, None]


def test_keys_that_never_match_are_pointed_out() -> None:
    evaluation = evaluate(QUESTIONS, [Arm("elsewhere", lambda question: [FoundPassage("docs/leave.md", "no")])])
    assert "expect keys such as 'leave.md'" in evaluation.notes[0]
    assert "'docs/leave.md'" in evaluation.notes[0]
    assert evaluation.notes[0] in to_markdown(evaluation)


def test_answers_that_were_given_before_are_pointed_out() -> None:
    given = {question.text: GivenAnswer(True, Decimal(0)) for question in QUESTIONS}
    given["Who pays?"] = replace(given["Who pays?"], saved_usd=Decimal("0.002"))
    evaluation = evaluate(QUESTIONS, [Arm("one", lambda question: passages(GOOD, question), given.__getitem__)])
    assert evaluation.notes[0].startswith(
        "1 of 4 answers had been given before and were given again, which saved $0.002"
    )


def test_runs_without_questions_or_with_two_arms_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        evaluate((), [arm("good", GOOD)])
    with pytest.raises(InvalidRequest, match="same name"):
        evaluate(QUESTIONS, [arm("good", GOOD), arm("good", POOR)])


def test_the_json_report_has_every_rank_and_no_question_text(evaluation: Evaluation) -> None:
    text = json.dumps(to_json(evaluation))
    report = json.loads(text)
    assert report["questions"] == {"all": 4, "with_file": 3, "with_sentence": 2, "unanswerable": 1}
    assert [outcome["file_rank"] for outcome in report["per_question"]["good"]] == [1, 2, 11, None]
    assert report["comparisons"][0]["differences"]["sentence@10"]["sure"] is True
    assert not any(question.text in text or (question.sentence or "-----") in text for question in QUESTIONS)


def test_the_markdown_report_sets_the_arms_side_by_side(evaluation: Evaluation) -> None:
    lines = to_markdown(evaluation).splitlines()
    header = next(line for line in lines if line.startswith("| arm |"))
    good = next(line for line in lines if line.startswith("| good |"))
    cells = dict(zip(header.split(" | "), good.split(" | "), strict=True))
    assert (cells["hit@1"], cells["hit@10"], cells["mrr@10"]) == ("0.333", "0.667", "0.500")
    assert "| difference | good − poor |" in lines
    assert "| sentence@10 | **+1.000 [+1.000, +1.000]** |" in lines


@pytest.fixture
def command() -> typer.Typer:
    """The command as it stands in `moat`, with a server of a few passages."""
    moat = MeasuredMoat(
        found={"dense+sparse": GOOD, "dense": POOR, "served": GOOD},
        answers={question.text: answer(abstained=True) for question in QUESTIONS},
    )
    app = typer.Typer()

    @app.callback()
    def connect(context: typer.Context) -> None:
        context.obj = HttpClient(moat.client())

    app.command()(evaluate_command)
    return app


@pytest.fixture
def question_file(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    rows = [
        {"question": question.text, "answerable": question.answerable, "file": next(iter(question.relevant), None)}
        for question in QUESTIONS
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_the_command_prints_the_table_and_writes_every_report(
    command: typer.Typer, question_file: Path, tmp_path: Path
) -> None:
    outs = [f"--out={tmp_path / name}" for name in ("out.json", "out.md", "out.svg")]
    result = CliRunner().invoke(command, ["evaluate", str(question_file), "--arms", "hybrid,dense", "--answers", *outs])
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out.json").read_text())
    assert [scores["arm"] for scores in report["arms"]] == ["hybrid", "dense", "served"]
    assert report["arms"][2]["answers"]["abstention"]["rightly"] == 1
    assert report["arms"][2]["answers"]["verdicts"]["wrongly abstained"] == 3
    assert report["arms"][2]["answers"]["cost_usd"] == "0"
    assert (tmp_path / "out.md").read_text().strip() in result.stdout
    assert ElementTree.parse(tmp_path / "out.svg").getroot().tag.endswith("svg")


def test_with_json_the_command_prints_json_and_nothing_else(command: typer.Typer, question_file: Path) -> None:
    result = CliRunner().invoke(command, ["evaluate", "--questions", str(question_file), "--arms", "dense", "--json"])
    assert json.loads(result.stdout)["questions"]["all"] == 4


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ([], "one question file"),
        (["{file}", "--questions", "{file}"], "one question file"),
        (["{file}", "--out", "out.txt"], "no ending"),
        (["{file}", "--out", "nowhere/out.md"], "no folder"),
        (["{file}", "--retrieval", "mine"], "not NAME=JSON"),
        (["{file}", "--models", "a,a"], "one twice"),
        (["{file}", "--models", "a", "--max-usd", "-1"], "no amount"),
        (["{file}", "--arms", "bm25"], "no arm bm25"),
    ],
)
def test_the_command_refuses_what_cannot_be_asked_before_it_asks(
    command: typer.Typer, question_file: Path, arguments: list[str], fact: str
) -> None:
    result = CliRunner().invoke(command, ["evaluate", *(one.format(file=question_file) for one in arguments)])
    assert isinstance(result.exception, InvalidRequest)
    assert fact in result.exception.detail


def test_the_command_writes_a_beir_folders_documents_for_uploading(command: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d1", "title": "T", "text": "x"}\n')
    result = CliRunner().invoke(command, ["evaluate", str(tmp_path), "--write-files", str(tmp_path / "files")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "files" / "d1.txt").read_text() == "T\n\nx"


def test_the_api_arms_and_a_baseline_stand_in_one_table() -> None:
    moat = MeasuredMoat(found={"dense": GOOD})
    arms = [*api_arms(HttpClient(moat.client()), ["dense"]), arm("baseline", POOR)]
    dense, baseline = arm_scores(evaluate(QUESTIONS, arms))
    assert dense.measures["hit@10"] == pytest.approx(2 / 3)
    assert baseline.measures["hit@10"] == pytest.approx(1 / 3)
