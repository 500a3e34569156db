"""`moat budget` sets, lists and removes limits, and says what is wrong with one that cannot be."""

import json

from tests.cli.conftest import Command


def test_budget_is_set_listed_and_removed(moat: Command) -> None:
    tried = moat("budget", "set", "$25", "--user", "ann", "--per", "week", "--dry-run")
    assert (tried.code, "Nothing was changed" in tried.out) == (0, True)
    assert "There are no budgets." in moat("budget", "list").out
    made = moat("budget", "set", "25", "--user", "ann", "--per", "week", "--soft", "--json")
    budget = json.loads(made.out)
    assert (budget["limit_usd"], budget["hard"], budget["subject"]) == ("25", False, "ann")
    listed = moat("budget", "list")
    assert all(word in listed.out for word in (budget["id"], "user ann", "week", "$25", "soft")), listed.out
    assert moat("budget", "remove", budget["id"]).code == 0
    assert json.loads(moat("budget", "list", "--json").out)["items"] == []


def test_default_is_everybody_for_a_month_with_a_cheaper_model(moat: Command) -> None:
    made = moat("budget", "set", "0.50", "--cheaper-model", "extractive")
    assert "deployment, month: $0 of $0.5 is spent, $0.5 is left." in made.out
    assert "hard, then extractive" in moat("budget", "list").out


def test_mistakes_are_named(moat: Command) -> None:
    assert "not of corpus and user" in moat("budget", "set", "1", "--corpus", "default", "--user", "ann").err
    assert moat("budget", "set", "lots").code == 1
    assert "no corpus 'nowhere'" in moat("budget", "set", "1", "--corpus", "nowhere").err
    assert moat("budget", "remove", "00000000-0000-4000-8000-000000000000").code == 1
