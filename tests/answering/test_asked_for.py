"""What a question asks for decides which sentence can answer it."""

import pytest

from answering.asked_for import holds, kind_of


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many days of leave do I get?", "time"),
        ("How soon is access taken away?", "time"),
        ("What fee do I pay for a lost badge?", "money"),
        ("How many people may share a car?", "number"),
        ("What share of base pay is the bonus?", "percent"),
        ("Who approves it?", "name"),
        ("Where is the form?", ""),
        ("Wie viele Tage Urlaub habe ich?", "time"),
        ("Was kostet ein Besuch?", "money"),
        ("Combien de jours de congé ai-je ?", "time"),
        ("谁批准假期？", "name"),
        ("費用是多少錢？", "money"),
        ("🙂", ""),
    ],
)
def test_kind(question: str, kind: str) -> None:
    assert kind_of(question) == kind


def test_a_count_of_days_is_no_sum_of_money_and_a_sum_no_time() -> None:
    days, sum_, nobody = "You get 28 days a year.", "It costs 12 EUR.", "Nothing is said here."
    assert [holds("time", text) for text in (days, sum_, nobody)] == [True, False, False]
    assert [holds("money", text) for text in (days, sum_, nobody)] == [False, True, False]
    assert [holds("number", text) for text in (days, sum_, nobody)] == [True, True, False]
    assert holds("name", "It is approved by the finance team.")
    assert holds("", nobody)
