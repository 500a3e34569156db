"""Answers over HTTP: their events in order, their errors, their bill, and what a reader who leaves leaves behind."""

import csv
import io
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from moat.tables import AnswerRow, CallRow, Feedback, Idempotency
from tests.fakes.api import Api, events, problem, stream
from tests.fakes.openai_server import USAGE, FakeOpenAI, Reply, openai_server
from tests.fakes.served import served

LUNCH = "Lunch is served at noon in the canteen. Bring your badge.\n"
QUESTION = "When is lunch served in the canteen?"
PIECES = ("Lunch is served ", "at noon in the canteen [1].")
# 600 fresh, 400 cached and 100 output tokens at $3, $0.30 and $15 a million.
COST = Decimal("0.00342")
PRICES = {"input_usd_per_million": 3, "cached_usd_per_million": "0.30", "output_usd_per_million": 15}


def with_model(folder: Path, fake: FakeOpenAI, **answering: Any) -> Api:
    """Run the API with a model behind OpenAI's wire format."""
    api = Api(
        folder,
        providers={"fake": {"base_url": fake.url, "api_key": "sk-provider-secret", "max_retries": 0}},
        models={"fake/large": PRICES},
        answering=answering,
    )
    api.add("lunch.txt", LUNCH)
    return api


def rows(api: Api, table: type[Any]) -> list[Any]:
    with api.database.reading() as session:
        return list(session.scalars(select(table)).all())


def wait_for(met: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def lunch(api: Api) -> Api:
    api.add("lunch.txt", LUNCH)
    return api


def test_extractive_answer_is_free_cited_and_says_so(lunch: Api) -> None:
    response = lunch.admin.post("/v1/answers", json={"question": QUESTION})
    assert response.status_code == 200
    body = response.json()
    assert (body["model"], body["abstained"], body["cost"]) == (
        "extractive", False, {"total_usd": "0", "saved_usd": "0", "calls": []},
    )  # fmt: skip
    assert body["note"]
    (citation,) = body["citations"]
    text = lunch.admin.get(f"/v1/documents/{citation['document_id']}/text").json()["text"]
    start, end = citation["span"]
    assert text[start:end] == citation["quote"]
    assert lunch.admin.get(f"/v1/answers/{body['id']}").json() == body


def test_question_without_evidence_is_abstained_from(lunch: Api) -> None:
    body = lunch.admin.post("/v1/answers", json={"question": "Who painted zebras blue yesterday?"}).json()
    assert (body["abstained"], body["citations"]) == (True, [])
    assert "Searched: default" in body["answer"]


def test_stream_begins_with_sources_and_ends_with_the_whole_answer(lunch: Api) -> None:
    response = lunch.admin.post("/v1/answers", json={"question": QUESTION, "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    said = events(response.text)
    names = [name for name, _ in said]
    assert (names[0], names[-1]) == ("sources", "done")
    assert set(names[1:-1]) == {"token", "citation"}
    done = said[-1][1]
    assert "".join(data["text"] for name, data in said if name == "token") == done["answer"]
    assert [data for name, data in said if name == "citation"] == done["citations"]
    assert lunch.admin.get(f"/v1/answers/{done['id']}").json() == done


def test_model_s_answer_is_booked_to_the_micro_dollar(tmp_path: Path) -> None:
    with openai_server(Reply(PIECES)) as fake:
        api = with_model(tmp_path, fake)
        body = api.admin.post("/v1/answers", json={"question": QUESTION}).json()
        streamed = dict(stream(api.admin, QUESTION))["done"]
    assert fake.authorizations == ["Bearer sk-provider-secret"] * 2
    for answer in (body, streamed):
        assert answer["answer"] == "Lunch is served at noon in the canteen [1]."
        assert [citation["marker"] for citation in answer["citations"]] == [1]
        (call,) = answer["cost"]["calls"]
        assert Decimal(answer["cost"]["total_usd"]) == Decimal(call["cost_usd"]) == COST
        assert (call["input_tokens"], call["cached_tokens"], call["output_tokens"], call["reasoning_tokens"]) == (
            1000, 400, 100, 25,
        )  # fmt: skip
        assert (call["usage"], call["status"], call["attempt"], call["provider"]) == ("reported", "ok", 1, "fake")
    booked = rows(api, CallRow)
    assert [row.cost_usd for row in booked] == [COST, COST]
    assert {str(row.answer_id) for row in booked} == {body["id"], streamed["id"]}
    api.close()


def test_costs_add_up_for_each_reader_in_json_and_csv(tmp_path: Path) -> None:
    with openai_server(Reply(PIECES)) as fake:
        api = with_model(tmp_path, fake)
        ann, bob = api.person("=ann()"), api.person("bob")
        for client in (ann, ann, bob):
            assert client.post("/v1/answers", json={"question": QUESTION}).status_code == 200
    everything = api.admin.get("/v1/costs", params={"group_by": ["user", "model"]}).json()
    assert [(line["user"], line["model"], line["calls"]) for line in everything["items"]] == [
        ("=ann()", "fake/large", 2), ("bob", "fake/large", 1),
    ]  # fmt: skip
    assert Decimal(everything["total_usd"]) == 3 * COST == sum(Decimal(i["cost_usd"]) for i in everything["items"])
    assert Decimal(bob.get("/v1/costs").json()["total_usd"]) == COST
    table = api.admin.get("/v1/costs", params={"group_by": "user", "format": "csv"})
    assert table.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(table.text)))
    assert [line["user"] for line in lines] == ["'=ann()", "bob"], "no spreadsheet runs a name"
    assert sum(Decimal(line["cost_usd"]) for line in lines) == 3 * COST
    assert api.admin.get("/v1/costs", params={"to": "2020-01-01"}).json() == {"items": [], "total_usd": "0"}
    assert Decimal(api.admin.get("/v1/costs", params={"from": "2020-01-01T00:00:00Z"}).json()["total_usd"]) == 3 * COST
    api.close()


def test_models_are_listed_with_prices_and_the_default(tmp_path: Path) -> None:
    with openai_server() as fake:
        api = with_model(tmp_path, fake)
        models = api.admin.get("/v1/models").json()["items"]
    assert [(model["id"], model["default"]) for model in models] == [("extractive", False), ("fake/large", True)]
    assert (models[1]["input_usd_per_million"], models[1]["output_usd_per_million"]) == ("3", "15")
    assert "sk-provider-secret" not in repr(api.settings)
    api.close()


def test_provider_s_refusal_is_a_status_or_an_event_and_is_stored(tmp_path: Path) -> None:
    with openai_server(Reply(status=401)) as fake:
        api = with_model(tmp_path, fake)
        whole = api.admin.post("/v1/answers", json={"question": QUESTION})
        said = stream(api.admin, QUESTION)
    told = problem(whole, 502)
    assert "sk-provider-secret" not in whole.text
    assert [name for name, _ in said] == ["sources", "error"]
    assert said[-1][1] == told
    assert [row.status for row in rows(api, AnswerRow)] == ["failed", "failed"]
    assert [(row.status, row.cost_usd) for row in rows(api, CallRow)] == [("failed", 0), ("failed", 0)]
    api.close()


def test_stream_that_breaks_ends_with_an_error_event(tmp_path: Path) -> None:
    with openai_server(Reply(PIECES, cut_after=1)) as fake:
        api = with_model(tmp_path, fake)
        said = stream(api.admin, QUESTION)
    assert (said[0][0], said[-1][0], said[-1][1]["status"]) == ("sources", "error", 502)
    (call,) = rows(api, CallRow)
    assert (call.status, call.cost_usd) == ("presumed", call.ceiling_usd)
    api.close()


def test_fault_after_the_status_is_told_as_an_event_without_its_inside(
    lunch: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("internal-detail-42")

    monkeypatch.setattr("answering.extractive.pick", broken)
    response = lunch.admin.post("/v1/answers", json={"question": QUESTION, "stream": True})
    said = events(response.text)
    assert (response.status_code, said[-1][0], said[-1][1]["status"]) == (200, "error", 500)
    assert "internal-detail-42" not in response.text
    assert [row.status for row in rows(lunch, AnswerRow)] == ["failed"]


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[Api, FakeOpenAI, httpx.Client]]:
    """A model that stops in the middle, behind a real socket."""
    with openai_server(Reply(PIECES, pause_before=1), Reply(PIECES)) as fake:
        api = with_model(tmp_path, fake, drain_s=0.3)
        with served(api.app) as url, httpx.Client(base_url=url, headers=api.admin.headers, timeout=20) as client:
            yield api, fake, client
        api.close()


@pytest.mark.parametrize("key", [None, "k1"])
def test_reader_who_leaves_in_the_middle_is_still_billed(
    slow: tuple[Api, FakeOpenAI, httpx.Client], key: str | None
) -> None:
    api, fake, client = slow
    body, headers = {"question": QUESTION, "stream": True}, {"Idempotency-Key": key} if key else {}
    with client.stream("POST", "/v1/answers", json=body, headers=headers) as response:
        assert next(response.iter_lines()) == "event: sources"
        assert fake.reached_pause.wait(10)
        assert [row.status for row in rows(api, CallRow)] == ["open"]
    wait_for(lambda: rows(api, AnswerRow)[0].status != "open")
    (call,) = rows(api, CallRow)
    assert (call.status, call.usage) == ("presumed", "estimated")
    assert call.cost_usd == call.ceiling_usd > 0
    (answer,) = rows(api, AnswerRow)
    assert answer.status == "failed"
    assert answer.body["note"] == "The answer was interrupted before its end."
    shown = client.get(f"/v1/answers/{answer.id}").json()
    assert Decimal(shown["cost"]["total_usd"]) == call.ceiling_usd
    wait_for(lambda: not rows(api, Idempotency))
    fake.go.set()
    again = client.post("/v1/answers", json=body, headers=headers)
    assert events(again.text)[-1][0] == "done", "the key is free again"


def test_reader_who_leaves_while_the_bill_still_comes_pays_exactly_that(tmp_path: Path) -> None:
    with openai_server(Reply(PIECES, pause_before=1)) as fake:
        api = with_model(tmp_path, fake, drain_s=10)
        with served(api.app) as url, httpx.Client(base_url=url, headers=api.admin.headers, timeout=20) as client:
            with client.stream("POST", "/v1/answers", json={"question": QUESTION, "stream": True}) as response:
                next(response.iter_lines())
                assert fake.reached_pause.wait(10)
            fake.go.set()
            wait_for(lambda: rows(api, AnswerRow)[0].status != "open")
        (call,) = rows(api, CallRow)
        assert (call.status, call.cost_usd, call.usage) == ("ok", COST, "reported")
        api.close()


def test_same_key_and_body_is_answered_from_the_record(tmp_path: Path) -> None:
    with openai_server(Reply(PIECES)) as fake:
        api = with_model(tmp_path, fake)
        headers = {"Idempotency-Key": "k1"}
        first = api.admin.post("/v1/answers", json={"question": QUESTION}, headers=headers)
        again = api.admin.post("/v1/answers", json={"question": QUESTION}, headers=headers)
        assert first.status_code == again.status_code == 200
        assert again.json() == first.json()
        assert len(fake.requests) == 1
        body = {"question": QUESTION, "stream": True}
        streamed = events(api.admin.post("/v1/answers", json=body, headers={"Idempotency-Key": "k2"}).text)
        replayed = events(api.admin.post("/v1/answers", json=body, headers={"Idempotency-Key": "k2"}).text)
        assert replayed == [streamed[-1]]
        assert len(fake.requests) == 2
        told = problem(api.admin.post("/v1/answers", json={"question": "Another?"}, headers=headers), 422)
        assert "another body" in told["detail"]
        other = api.person("other").post("/v1/answers", json={"question": "Another?"}, headers=headers)
        assert other.status_code == 200, "a key belongs to its sender"
        api.close()


def test_same_key_while_the_first_is_under_way_is_409(slow: tuple[Api, FakeOpenAI, httpx.Client]) -> None:
    _, fake, client = slow
    body, headers = {"question": QUESTION, "stream": True}, {"Idempotency-Key": "k1"}
    with client.stream("POST", "/v1/answers", json=body, headers=headers) as response:
        assert fake.reached_pause.wait(10)
        problem(client.post("/v1/answers", json=body, headers=headers), 409)
        fake.go.set()
        said = events("\n".join(response.iter_lines()))
    assert said[-1][0] == "done"
    assert events(client.post("/v1/answers", json=body, headers=headers).text) == [said[-1]]


@pytest.mark.parametrize("streamed", [False, True])
def test_failed_request_frees_its_key(tmp_path: Path, streamed: bool) -> None:
    with openai_server(Reply(status=500), Reply(PIECES)) as fake:
        api = with_model(tmp_path, fake)
        body, headers = {"question": QUESTION, "stream": streamed}, {"Idempotency-Key": "k1"}
        first = api.admin.post("/v1/answers", json=body, headers=headers)
        assert first.status_code == (200 if streamed else 502)
        assert rows(api, Idempotency) == []
        assert "at noon" in api.admin.post("/v1/answers", json=body, headers=headers).text
        api.close()


def test_refusal_before_the_first_event_frees_the_key(lunch: Api) -> None:
    headers = {"Idempotency-Key": "k1"}
    problem(lunch.admin.post("/v1/answers", json={"question": "a", "corpora": ["x"]}, headers=headers), 404)
    problem(lunch.admin.post("/v1/answers", json={"question": "a", "model": "x"}, headers=headers), 422)
    assert lunch.admin.post("/v1/answers", json={"question": QUESTION}, headers=headers).status_code == 200


def test_feedback_is_kept_once_and_the_last_word_counts(lunch: Api) -> None:
    id_ = lunch.admin.post("/v1/answers", json={"question": QUESTION}).json()["id"]
    for rating in ("up", "down"):
        given = lunch.admin.post(f"/v1/answers/{id_}/feedback", json={"rating": rating, "comment": "so so"})
        assert given.status_code == 204
    (kept,) = rows(lunch, Feedback)
    assert (str(kept.answer_id), kept.rating, kept.comment) == (id_, "down", "so so")
    problem(lunch.admin.post(f"/v1/answers/{id_}/feedback", json={"rating": "great"}), 422)


def test_search_explains_each_arm_and_asks_no_model(tmp_path: Path) -> None:
    with openai_server() as fake:
        api = with_model(tmp_path, fake)
        body = {"question": QUESTION, "explain": True, "limit": 1}
        (passage,) = api.admin.post("/v1/search", json=body).json()["passages"]
        assert {arm: found["rank"] for arm, found in passage["arms"].items()} == {"dense": 1, "sparse": 1}
        plain = api.admin.post("/v1/search", json={"question": QUESTION}).json()["passages"][0]
        assert "arms" not in plain
        assert fake.requests == []
        api.close()


def test_usage_of_the_fake_is_what_the_cost_above_was_worked_out_from() -> None:
    fresh = USAGE["prompt_tokens"] - USAGE["prompt_tokens_details"]["cached_tokens"]
    assert (fresh * 3 + 400 * Decimal("0.30") + USAGE["completion_tokens"] * 15) / 1_000_000 == COST
