"""What Prometheus is told, and who may ask."""

from decimal import Decimal
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.api import Api, problem
from tests.fakes.models import COST, LUNCH, PIECES, PRICES, with_model
from tests.fakes.openai_server import Reply, openai_server

QUESTION = "When is lunch served in the canteen?"


def samples(client: TestClient) -> dict[tuple[str, ...], float]:
    response = client.get("/metrics")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def test_ledger_answers_and_requests_are_counted(tmp_path: Path) -> None:
    with openai_server(Reply(PIECES)) as fake:
        api = with_model(tmp_path, fake)
        ann = api.person("ann.of.accounting")
        assert ann.post("/v1/answers", json={"question": QUESTION}).status_code == 200
        assert ann.post("/v1/answers", json={"question": "Who painted zebras blue?"}).status_code == 200
        fake.replies[0] = Reply(status=401)
        assert ann.post("/v1/answers", json={"question": QUESTION}).status_code == 502
        assert ann.get("/v1/documents/no-id").status_code == 422
        api.upload("later.txt", "This waits.\n")
        found = samples(api.admin)
        text = api.admin.get("/metrics").text
        api.close()
    call = ("kind=answer", "model=large", "provider=fake")
    assert found["moat_calls", *call, "status=ok"] == 1
    assert found["moat_calls", *call, "status=failed"] == 1
    assert Decimal(str(found["moat_cost_usd", *call, "status=ok"])) == COST
    tokens = {"input": 1000, "cached": 400, "output": 100, "reasoning": 25}
    assert {unit: found["moat_tokens", *call, "status=ok", f"unit={unit}"] for unit in tokens} == tokens
    outcomes = ("answered", "abstained", "failed")
    assert [found["moat_answers_total", "model=fake/large", f"outcome={o}"] for o in outcomes] == [1, 1, 1]
    assert found["moat_documents_in_work", "queue=ingest", "state=queued"] == 1
    asked = ("method=POST", "route=/v1/answers")
    assert found["moat_request_seconds_count", *asked, "status=200"] == 2
    assert found["moat_request_seconds_count", "method=GET", "route=/v1/documents/{document_id}", "status=422"] == 1
    assert "ann" not in text.replace("channel", ""), "no names in labels"


def test_budgets_are_told_by_id_and_not_by_whose_they_are(api: Api) -> None:
    made = api.admin.put(
        "/v1/budgets", json={"scope": "user", "subject": "ann", "period": "month", "limit_usd": "12.50"}
    ).json()
    labels = (f"budget={made['id']}", "period=month", "scope=user")
    found = samples(api.admin)
    assert found["moat_budget_limit_usd", *labels] == 12.5
    assert (found["moat_budget_spent_usd", *labels], found["moat_budget_reserved_usd", *labels]) == (0, 0)
    assert "ann" not in api.admin.get("/metrics").text.replace("channel", "")


def test_saved_dollars_are_counted(tmp_path: Path) -> None:
    with openai_server(Reply(PIECES)) as fake:
        api = Api(
            tmp_path,
            providers={"fake": {"base_url": fake.url, "api_key": "sk-provider-secret"}},
            models={"fake/large": PRICES},
            cache={"answers": True},
        )
        api.add("lunch.txt", LUNCH)
        for _ in range(3):
            assert api.admin.post("/v1/answers", json={"question": QUESTION}).status_code == 200
        assert Decimal(str(samples(api.admin)["moat_saved_usd_total",])) == 2 * COST
        api.close()


def test_only_a_key_for_it_or_this_machine_reads_metrics(api: Api) -> None:
    problem(api.client().get("/metrics"), 401)
    problem(api.person("ann").get("/metrics"), 403)
    assert api.person("prometheus", scopes=("metrics",)).get("/metrics").status_code == 200
    problem(api.person("prometheus", scopes=("metrics",)).get("/v1/corpora"), 403)


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("127.0.0.1", {"Host": "127.0.0.1:8420"}, 200),
        ("127.0.0.1", {"Host": "localhost:8420"}, 200),
        ("::1", {"Host": "[::1]:8420"}, 200),
        ("127.0.0.1", {"Host": "rebound.example"}, 401),
        ("127.0.0.1", {"Host": "127.0.0.1", "X-Forwarded-For": "203.0.113.9"}, 401),
        ("127.0.0.1", {"Host": "127.0.0.1", "Via": "1.1 proxy"}, 401),
    ],
)
def test_callers_on_this_machine_need_no_key(api: Api, host: str, headers: dict[str, str], status: int) -> None:
    client = TestClient(api.app, client=(host, 50_000), raise_server_exceptions=False)
    assert client.get("/metrics", headers=headers).status_code == status


def test_nobody_is_on_this_machine_behind_a_proxy(tmp_path: Path) -> None:
    behind = Api(tmp_path, api={"trusted_proxies": ["127.0.0.1"]})
    client = TestClient(behind.app, client=("127.0.0.1", 50_000), raise_server_exceptions=False)
    assert client.get("/metrics", headers={"Host": "127.0.0.1"}).status_code == 401
    behind.close()


def test_broker_that_is_away_hides_no_other_figure(tmp_path: Path) -> None:
    away = Api(tmp_path, broker={"url": "redis://127.0.0.1:1/0"})
    found = samples(away.admin)
    assert not [name for name in found if name[0] == "moat_queue_messages"]
    assert ("moat_documents_in_work", "queue=bulk", "state=queued") in found
    away.close()
