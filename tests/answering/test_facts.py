"""Numbers, dates and names of a claim that its sources do not hold are named."""

import pytest

from answering.facts import unheld

SOURCE = (
    "Staff get 28 days of leave. In March 2024 ACME paid $1,500.00 to two suppliers; version 2.10 since 2023-05-04. "
    "Ask Jo Miller about it."
)


@pytest.mark.parametrize(
    "claim",
    [
        "Staff get 28 days [1].",
        "Two suppliers got 1500 USD in March 2024 [1][2].",
        "ACME paid 2 of them.",
        "Version 2.10 has been there since 4 May 2023.",
        "Ask Miller, or Jo's office.",
        "It holds for everybody.",
    ],
)
def test_what_the_source_holds_is_no_lack_however_it_is_written(claim: str) -> None:
    assert unheld(claim, [SOURCE], "en") == ()


@pytest.mark.parametrize(
    ("claim", "lacking"),
    [
        ("Staff get 30 days [1].", ("30",)),
        ("It was paid in April 2024.", ("April",)),
        ("Ask Bob at ACME.", ("Bob",)),
        ("They paid 15,000 dollars.", ("15,000",)),
        ("Version 2.11 of IBM.", ("2.11", "IBM")),
    ],
)
def test_what_it_does_not_hold_is_named(claim: str, lacking: tuple[str, ...]) -> None:
    assert unheld(claim, [SOURCE], "en") == lacking


def test_german_nouns_are_no_names_but_numbers_count() -> None:
    source = "Jeder Mitarbeiter erhält 28 Tage Urlaub, mit zwei Wochen am Stück."
    assert unheld("Es gibt 28 Tage Urlaub für jeden Beschäftigten und 2 Wochen Pause.", [source], "de") == ()
    assert unheld("Es gibt 30 Tage Urlaub.", [source], "de") == ("30",)
