"""Readers who leave are billed for what was made, and those who ask again are not billed twice."""

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from moat.tables import AnswerRow, CallRow, Idempotency
from tests.fakes.api import Api, events, problem
from tests.fakes.models import COST, LUNCH, PIECES, rows, with_model
from tests.fakes.openai_server import FakeOpenAI, Reply, openai_server
from tests.fakes.served import served

QUESTION = "When is lunch served in the canteen?"


@pytest.fixture
def lunch(api: Api) -> Api:
    api.add("lunch.txt", LUNCH)
    return api


def wait_for(met: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


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
