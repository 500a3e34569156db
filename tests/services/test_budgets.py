"""Budgets over HTTP: set by admins, seen by those they limit, and held when questions are asked."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from moat.tables import CallRow
from tests.fakes.api import Api, events, problem
from tests.fakes.models import COST, LUNCH, PIECES, PRICES, rows
from tests.fakes.openai_server import FakeOpenAI, Reply, openai_server

QUESTION = "When is lunch served in the canteen?"
_numbers = count(1)  # no question is asked twice, unless a test wants an answer again
PAGE = "https://intranet.example"
DAILY = {"scope": "deployment", "period": "day"}


@pytest.fixture
def fake() -> Iterator[FakeOpenAI]:
    with openai_server(Reply(PIECES)) as made:
        yield made


@pytest.fixture
def paid(tmp_path: Path, fake: FakeOpenAI) -> Iterator[Api]:
    """An API with a dear model and one at a hundredth of its price."""
    cheap = {name: Decimal(str(usd)) / 100 for name, usd in PRICES.items()}
    api = Api(
        tmp_path,
        providers={"fake": {"base_url": fake.url, "api_key": "sk-x", "max_retries": 0}},
        models={"fake/large": PRICES, "fake/small": cheap},
        budgets={"wait_s": 0},
        cache={"answers": True},
    )
    api.add("lunch.txt", LUNCH)
    yield api
    api.close()


def put(api: Api, **body: Any) -> dict[str, Any]:
    response = api.admin.put("/v1/budgets", json=DAILY | body)
    assert response.status_code == 200, response.text
    return dict(response.json())


def ask(client: TestClient, **body: Any) -> Any:
    return client.post("/v1/answers", json={"question": f"{QUESTION} ({next(_numbers)})", **body})


def ceiling(api: Api) -> Decimal:
    """Tell the most that the question may cost, give or take some tokens: the prompt's mark is drawn anew each time."""
    assert ask(api.admin).status_code == 200
    found: Decimal = rows(api, CallRow)[0].ceiling_usd
    return found


def test_answer_is_charged_and_the_next_that_does_not_fit_is_402(paid: Api, fake: FakeOpenAI) -> None:
    most = ceiling(paid)
    limit = 2 * COST + most * Decimal("1.1")
    made = put(paid, limit_usd=str(limit))
    assert Decimal(made["spent_usd"]) == COST
    assert ask(paid.admin).status_code == 200
    assert ask(paid.admin).status_code == 200
    (listed,) = paid.admin.get("/v1/budgets").json()["items"]
    assert (Decimal(listed["spent_usd"]), listed["reserved_usd"], listed["time_zone"]) == (3 * COST, "0", "UTC")
    refused = problem(ask(paid.admin), 402)
    assert Decimal(refused["left_usd"]) == limit - 3 * COST
    assert refused["renews_at"] == listed["renews_at"].replace("Z", "+00:00")
    assert len(fake.requests) == 3
    (event, last) = events(ask(paid.admin, stream=True).text)[-1]
    assert (event, last["status"], last["left_usd"]) == ("error", 402, refused["left_usd"])
    assert ask(paid.admin, model="extractive").status_code == 200


def test_call_goes_to_the_cheaper_model_and_then_to_quoting(paid: Api, fake: FakeOpenAI) -> None:
    most = ceiling(paid)
    put(paid, limit_usd=str(COST + most / 50), cheaper_model="fake/small")
    answer = ask(paid.admin).json()
    assert [call["model"] for call in answer["cost"]["calls"]] == ["small"]
    assert fake.requests[-1]["model"] == "small"
    assert answer["model"] == "fake/small"
    put(paid, limit_usd="0.000001", cheaper_model="fake/small")
    problem(ask(paid.admin), 402)
    put(paid, limit_usd="0.000001", cheaper_model="extractive")
    quoted = ask(paid.admin).json()
    assert (quoted["model"], quoted["cost"]["calls"]) == ("extractive", [])
    assert "at noon" in quoted["answer"]
    assert len(fake.requests) == 2


@pytest.mark.parametrize("cheaper", ["fake/small", "extractive"])
def test_answer_of_a_cheaper_model_is_not_given_again_as_the_dear_ones(
    paid: Api, fake: FakeOpenAI, cheaper: str
) -> None:
    most = ceiling(paid)
    put(paid, limit_usd=str(COST + most / 50), cheaper_model=cheaper)
    assert ask(paid.admin, question=QUESTION).status_code == 200
    put(paid, limit_usd="100")
    again = ask(paid.admin, question=QUESTION).json()
    assert again["cost"]["saved_usd"] == "0"
    assert fake.requests[-1]["model"] == "large"


def test_dry_run_says_what_is_spent_and_changes_nothing(paid: Api) -> None:
    ceiling(paid)
    shown = put(paid, limit_usd="5", dry_run=True)
    assert (Decimal(shown["spent_usd"]), shown["in_force"]) == (COST, False)
    assert paid.admin.get("/v1/budgets").json()["items"] == []
    made = put(paid, limit_usd="5")
    put(paid, limit_usd="7", dry_run=True)
    assert paid.admin.get("/v1/budgets").json()["items"] == [made]


def test_reader_sees_their_own_budgets_and_no_others(paid: Api) -> None:
    for body in ({"scope": "user", "subject": "ann"}, {"scope": "user", "subject": "bob"}, {}):
        put(paid, limit_usd="5", **body)
    shown = paid.person("ann").get("/v1/budgets").json()["items"]
    assert [item["subject"] for item in shown] == ["ann"]


def test_changes_are_audited(paid: Api) -> None:
    made = put(paid, limit_usd="5")
    assert paid.admin.delete(f"/v1/budgets/{made['id']}").status_code == 204
    entries = paid.admin.get("/v1/audit").json()["items"]
    found = {entry["action"]: entry for entry in entries if entry["object"] == made["id"]}
    assert set(found) == {"budget.set", "budget.removed"}
    assert found["budget.set"]["details"]["limit_usd"] == "5"


@pytest.mark.parametrize(
    "body",
    [
        {"limit_usd": "-1"},
        {"limit_usd": "much"},
        {"limit_usd": "1", "period": "year"},
        {"limit_usd": "1", "scope": "moon"},
        {"limit_usd": "1", "subject": "all"},
        {"limit_usd": "1", "scope": "group", "subject": "everyone"},
        {"limit_usd": "1", "cheaper_model": "fake/none"},
        {"limit_usd": "1", "colour": "red"},
    ],
)
def test_what_is_no_budget_is_refused(paid: Api, body: dict[str, Any]) -> None:
    problem(paid.admin.put("/v1/budgets", json=DAILY | body), 422)
    assert paid.admin.get("/v1/budgets").json()["items"] == []


def test_session_of_a_widget_may_not_cost_more_than_its_limit(paid: Api) -> None:
    most = ceiling(paid)
    body = {"name": "w", "origins": [PAGE], "limit_usd": str(COST + most * Decimal("1.1"))}
    widget = paid.admin.post("/v1/widgets", json=body).json()["id"]

    def visitor() -> TestClient:
        begun = paid.client(Origin=PAGE).post("/v1/widget-sessions", json={"widget_id": widget})
        return paid.client(begun.json()["token"], Origin=PAGE)

    first, second = visitor(), visitor()
    assert [ask(first).status_code for _ in range(4)] == [200, 200, 402, 402]
    assert ask(second).status_code == 200, "each session has a limit of its own"
    assert Decimal(problem(ask(first), 402)["left_usd"]) == Decimal(body["limit_usd"]) - 2 * COST
    assert paid.admin.get("/v1/budgets").json()["items"] == []
    put(paid, limit_usd="0")
    assert "left_usd" not in problem(ask(visitor()), 402), "what the company spends is no visitor's business"


def test_corpus_that_is_gone_has_no_budget_any_more(paid: Api) -> None:
    paid.corpus("old")
    put(paid, limit_usd="5", scope="corpus", subject="old")
    (listed,) = paid.admin.get("/v1/budgets").json()["items"]
    assert (listed["name"], listed["subject"]) == ("old", str(paid.corpus_id("old")))


def test_finance_sees_every_cost_and_budget_and_no_document(paid: Api) -> None:
    ann = paid.person("ann", "staff")
    assert ask(ann).status_code == 200
    put(paid, limit_usd="5")
    finance = paid.person("fiona", scopes=("finance",))
    spent = finance.get("/v1/costs", params={"group_by": ["user", "corpus"]}).json()
    assert [(line["user"], line["corpus"]) for line in spent["items"]] == [("ann", "default")]
    assert Decimal(spent["total_usd"]) == COST
    assert [budget["limit_usd"] for budget in finance.get("/v1/budgets").json()["items"]] == ["5"]
    assert finance.get("/v1/costs/forecast").status_code == 200
    assert finance.get("/v1/costs/reprice").status_code == 200
    assert ann.get("/v1/costs/reprice").status_code == 403
    for path in ("/v1/corpora", "/v1/corpora/default/documents", "/v1/audit", "/v1/keys"):
        problem(finance.get(path), 403)
    problem(finance.put("/v1/budgets", json=DAILY | {"limit_usd": "9"}), 403)
    problem(ask(finance), 403)
