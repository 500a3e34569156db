"""The ledger against its own prices, and over HTTP against a provider's bill."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from moat.costs import GROUPS
from moat.tables import CallRow
from tests.fakes.api import Api, problem
from tests.fakes.models import COST, LUNCH, PIECES, PRICES, rows
from tests.fakes.openai_server import Reply, openai_server

QUESTION = "When is lunch served in the canteen?"


def asked(folder: Path, *replies: Reply, prices: dict[str, object] = PRICES, questions: int = 3) -> Api:
    """Answer some questions with a paid model, and give the API."""
    with openai_server(*(replies or (Reply(PIECES),))) as fake:
        api = Api(
            folder,
            providers={"fake": {"base_url": fake.url, "api_key": "sk-secret", "max_retries": 0}},
            models={"fake/large": prices},
        )
        api.add("lunch.txt", LUNCH)
        for number in range(questions):
            api.admin.post("/v1/answers", json={"question": f"{QUESTION} ({number})"})
    return api


def test_every_call_comes_out_the_same_by_the_prices_it_was_billed_by(tmp_path: Path) -> None:
    replies = (Reply(PIECES), Reply(PIECES, usage=None), Reply(PIECES, cut_after=1), Reply(status=500))
    api = asked(tmp_path, *replies, questions=4)
    booked = sum((row.cost_usd for row in rows(api, CallRow)), Decimal(0))
    found = api.admin.get("/v1/costs/reprice").json()
    assert (found["calls"], found["equal"], found["differing"], found["unknown"]) == (4, 4, 0, 0)
    (model,) = found["models"]
    assert Decimal(model["booked_usd"]) == Decimal(model["today_usd"]) == booked
    assert model["change_usd"] == "0"
    api.close()


def test_what_was_changed_in_the_ledger_is_found(tmp_path: Path) -> None:
    api = asked(tmp_path)
    with api.database.transaction() as session:
        row = session.query(CallRow).first()
        assert row is not None
        row.cost_usd += Decimal("0.000000000001")
        changed = str(row.id)
    found = api.admin.get("/v1/costs/reprice").json()
    assert (found["equal"], found["differing"]) == (2, 1)
    (call,) = found["differing_calls"]
    assert (call["id"], Decimal(call["again_usd"])) == (changed, COST)
    api.close()


def test_new_prices_change_nothing_that_was_booked_and_say_what_they_would_change(tmp_path: Path) -> None:
    api = asked(tmp_path)
    dearer = dict(api.settings.models)
    dearer["fake/large"] = dearer["fake/large"].model_copy(update={"output_usd_per_million": Decimal(25)})
    object.__setattr__(api.parts, "settings", api.settings.model_copy(update={"models": dearer}))
    found = api.admin.get("/v1/costs/reprice").json()
    assert (found["equal"], found["differing"]) == (3, 0)
    # 100 tokens of each of three answers for $25 instead of $15 a million.
    assert found["models"][0]["change_usd"] == "0.003"
    api.close()


def test_calls_of_before_prices_were_kept_are_taken_as_booked(tmp_path: Path) -> None:
    api = asked(tmp_path)
    with api.database.transaction() as session:
        session.query(CallRow).update({"price_version": "of before"})
    found = api.admin.get("/v1/costs/reprice").json()
    assert (found["unknown"], found["equal"], found["differing"]) == (3, 0, 0)
    assert Decimal(found["models"][0]["today_usd"]) == 3 * COST
    api.close()


def test_bill_is_compared_with_the_ledger(tmp_path: Path) -> None:
    api = asked(tmp_path)
    today = datetime.now(UTC).date().isoformat()
    lines = f"day,model,tokens,dollars\n{today},large-2026,3300,{3 * COST + Decimal('0.01')}\n{today},other,5,0.5\n"
    found = api.admin.post("/v1/costs/reconcile", json={"csv": lines}).json()
    same, other = sorted(found["lines"], key=lambda line: str(line["model"]))
    assert (same["model"], same["calls"], same["booked_tokens"]) == ("large-2026", 3, 3300)
    assert same["reasons"] == [{"reason": "price difference", "usd": "-0.01"}]
    assert other["reasons"] == [{"reason": "missing in the ledger", "usd": "-0.5"}]
    assert (found["shape"], found["difference_usd"]) == ("plain", "-0.51")
    assert Decimal(found["booked_usd"]) == 3 * COST
    problem(api.admin.post("/v1/costs/reconcile", json={"csv": "what,is,this\n1,2,3\n"}), 422)
    api.close()


def test_each_grouping_adds_up_to_the_ledger_and_outcomes_outlive_their_answers(tmp_path: Path) -> None:
    replies = (Reply(PIECES), Reply(["The sources do not answer this question."]), Reply(status=500), Reply(PIECES))
    api = asked(tmp_path, *replies, questions=4)
    booked = sum((row.cost_usd for row in rows(api, CallRow)), Decimal(0))
    assert api.admin.delete("/v1/users/admin/history").status_code == 202
    for group in GROUPS:
        found = api.admin.get("/v1/costs", params={"group_by": group}).json()
        assert sum((Decimal(line["cost_usd"]) for line in found["items"]), Decimal(0)) == booked, group
        assert Decimal(found["total_usd"]) == booked
    outcomes = api.admin.get("/v1/costs", params={"group_by": "outcome"}).json()["items"]
    assert [(line["outcome"], line["calls"]) for line in outcomes] == [("abstained", 1), ("answered", 2), ("failed", 1)]
    api.close()


@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_forecast_shows_each_their_own(tmp_path: Path, period: str) -> None:
    api = asked(tmp_path)
    found = api.admin.get("/v1/costs/forecast", params={"period": period}).json()
    assert Decimal(found["spent_usd"]) == 3 * COST
    assert Decimal(found["expected_usd"]) >= 3 * COST
    assert api.person("bob").get("/v1/costs/forecast", params={"period": period}).json()["expected_usd"] == "0"
    api.close()
