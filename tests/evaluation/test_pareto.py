"""Which models nothing beats, and which one is recommended in which words."""

from collections.abc import Sequence
from decimal import Decimal

from evaluation.pareto import front, recommendation
from evaluation.records import AnswerOutcome, ArmOutcomes, Evaluation, Outcome, Question

QUESTIONS = tuple(Question(f"q{n}", "?", {"a.md": 1}, answer="4") for n in range(100))


def model(name: str, right: int, cost: str) -> ArmOutcomes:
    """Make a model that is right on the first so many questions, at this cost each."""
    outcomes = [
        Outcome(q.id, answer=AnswerOutcome(False, None, Decimal(cost), 1.0, "correct" if n < right else "wrong"))
        for n, q in enumerate(QUESTIONS)
    ]
    return ArmOutcomes(name, tuple(outcomes), searched=False)


def recommended(*models: ArmOutcomes) -> str:
    return recommendation(Evaluation(QUESTIONS, models))


def test_what_another_beats_in_both_is_not_on_the_front() -> None:
    places: dict[str, tuple[Decimal, float]] = {
        "cheap": (Decimal(1), 0.5), "worse": (Decimal(2), 0.4), "good": (Decimal(3), 0.9), "same": (Decimal(3), 0.9),
        "dearer": (Decimal(4), 0.9),
    }  # fmt: skip
    assert front(places) == ("cheap", "good", "same")


def test_the_cheapest_of_those_that_are_as_good_is_taken() -> None:
    # 3 of 100 apart: within five points, and the interval of the difference reaches 0.
    said = recommended(model("a", 93, "0.001"), model("b", 96, "0.01"))
    assert said.startswith("Take a: 93% right at $0.001075 a correct answer; b is not surely better")


def test_a_model_that_is_surely_behind_is_not_taken_however_cheap() -> None:
    said = recommended(model("a", 70, "0.0001"), model("b", 96, "0.01"))
    assert said.startswith("Take b: 96% right at $0.01042 a correct answer; it is surely better than the next, a")


def test_five_points_are_the_most_that_chance_excuses() -> None:
    few = tuple(QUESTIONS[:10])

    def row(name: str, right: int, cost: str) -> ArmOutcomes:
        whole = model(name, right, cost)
        return ArmOutcomes(name, whole.outcomes[:10], searched=False)

    assert recommendation(Evaluation(few, (row("a", 8, "0.001"), row("b", 9, "0.01")))).startswith("Take b")


def test_a_free_model_is_compared_without_dividing_by_nothing() -> None:
    said = recommended(model("local", 95, "0"), model("paid", 96, "0.01"))
    assert said.startswith("Take local: 95% right at $0.00 a correct answer")
    assert said.endswith("costs $0.01042.")


def test_what_cannot_be_compared_is_said_plainly() -> None:
    alone = "a is 50% right at $0.002 a correct answer; there is nothing to compare it with."
    assert recommended(model("a", 50, "0.001")) == alone
    only = "Take a: 50% right at $0.002 a correct answer; no other gave a correct answer."
    assert recommended(model("a", 50, "0.001"), model("b", 0, "0.001")) == only
    nothing: Sequence[ArmOutcomes] = (model("a", 0, "0.001"), model("b", 0, "0.002"))
    assert recommended(*nothing) == "No model can be recommended: none gave a correct answer."
    unjudged = ArmOutcomes("a", (Outcome("q0", answer=AnswerOutcome(False, None, Decimal(1), 1.0)),), searched=False)
    assert "nothing could be judged" in recommendation(Evaluation(QUESTIONS[:1], (unjudged,)))
