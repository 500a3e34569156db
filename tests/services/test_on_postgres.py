"""On PostgreSQL, where writers do not wait for each other by themselves: what comes at once still ends well."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from time import time
from typing import Any

import httpx
import jwt
import pytest

from moat.costs import GROUPS
from moat.tables import CachedAnswer, Corpus, Document, Feedback, Version
from tests.fakes.api import Api, problem
from tests.fakes.models import COST, PIECES, PRICES
from tests.fakes.openai_server import Reply, openai_server
from tests.fakes.postgres import postgres, postgres_url
from tests.fakes.served import served

__all__ = ["postgres", "postgres_url"]
LUNCH = b"Lunch is served at noon in the canteen.\n"
AT_ONCE = 30


@pytest.fixture
def api(tmp_path: Path, postgres_url: str) -> Iterator[Api]:
    made = Api(tmp_path, database={"url": postgres_url})
    yield made
    made.close()


@pytest.fixture
def at_once(api: Api) -> Iterator[Callable[..., list[httpx.Response]]]:
    """Send the same request many times at once."""
    with served(api.app) as url, ThreadPoolExecutor(AT_ONCE) as pool:

        def send(
            method: str, path: str, headers: Mapping[str, str] | None = None, **options: Any
        ) -> list[httpx.Response]:
            sent = {**api.admin.headers, **(headers or {})}

            def one(_: int) -> httpx.Response:
                return httpx.request(method, url + path, headers=sent, timeout=60, **options)

            return list(pool.map(one, range(AT_ONCE)))

        yield send


def statuses(responses: list[httpx.Response]) -> dict[int, int]:
    found = [response.status_code for response in responses]
    return {status: found.count(status) for status in found}


def test_identical_uploads_are_one_document(api: Api, at_once: Callable[..., list[httpx.Response]]) -> None:
    answers = at_once("POST", "/v1/corpora/default/documents", files=[("files", ("lunch.txt", LUNCH))])
    assert statuses(answers) == {202: AT_ONCE}
    assert len({answer.json()["items"][0]["id"] for answer in answers}) == 1
    assert (api.count(Document), api.count(Version), len(api.files("originals"))) == (1, 1, 1)


def test_document_is_deleted_once(api: Api, at_once: Callable[..., list[httpx.Response]]) -> None:
    id_ = api.add("lunch.txt", LUNCH)
    assert statuses(at_once("DELETE", f"/v1/documents/{id_}")) == {202: 1, 404: AT_ONCE - 1}


def test_corpus_of_a_name_is_made_once_and_deleted_once(api: Api, at_once: Callable[..., list[httpx.Response]]) -> None:
    assert statuses(at_once("POST", "/v1/corpora", json={"name": "new"})) == {201: 1, 409: AT_ONCE - 1}
    assert statuses(at_once("DELETE", "/v1/corpora/new")) == {202: 1, 404: AT_ONCE - 1}
    assert api.count(Corpus) == 2


def test_reindex_is_started_once(api: Api, at_once: Callable[..., list[httpx.Response]]) -> None:
    assert statuses(at_once("POST", "/v1/corpora/default/reindex", json={})) == {202: 1, 409: AT_ONCE - 1}


def test_access_and_feedback_that_come_at_once_end_as_one(
    api: Api, at_once: Callable[..., list[httpx.Response]]
) -> None:
    id_ = api.add("lunch.txt", LUNCH)
    assert statuses(at_once("PUT", f"/v1/documents/{id_}/access", json={"access": ["hr", "sales"]})) == {200: AT_ONCE}
    assert statuses(at_once("PATCH", "/v1/corpora/default", json={"access": ["hr", "everyone"]})) == {200: AT_ONCE}
    answer = api.admin.post("/v1/answers", json={"question": "When is lunch?"}).json()["id"]
    assert statuses(at_once("POST", f"/v1/answers/{answer}/feedback", json={"rating": "up"})) == {204: AT_ONCE}
    assert api.count(Feedback) == 1


def test_question_under_one_idempotency_key_is_answered_once(
    api: Api, at_once: Callable[..., list[httpx.Response]]
) -> None:
    api.add("lunch.txt", LUNCH)
    api.admin.headers["Idempotency-Key"] = "k1"
    answers = at_once("POST", "/v1/answers", json={"question": "When is lunch?"})
    assert set(statuses(answers)) <= {200, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 200}) == 1


def test_null_characters_are_refused_and_not_a_fault(api: Api) -> None:
    problem(api.admin.get("/v1/corpora/a%00b"), 422)
    problem(api.admin.get("/v1/corpora/default/documents?key=a%00b"), 422)
    problem(api.admin.post("/v1/search", json={"question": "a", "corpora": ["a\0b"]}), 422)
    problem(api.client().post("/v1/widget-sessions", json={"widget_id": "a\0b"}), 422)
    problem(api.admin.delete("/v1/widgets/a%00b"), 422)


def test_signature_of_a_page_begins_one_session_alone(api: Api, at_once: Callable[..., list[httpx.Response]]) -> None:
    made = api.admin.post(
        "/v1/widgets", json={"name": "w", "origins": ["https://a.example"], "limit_usd": "0.1"}
    ).json()
    secret = api.admin.post(f"/v1/widgets/{made['id']}/secret").json()["secret"]
    signature = jwt.encode({"sub": "ann", "aud": made["id"], "exp": time() + 60, "jti": "1"}, secret)
    body = {"widget_id": made["id"], "signature": signature}
    begun = at_once("POST", "/v1/widget-sessions", json=body, headers={"Origin": "https://a.example"})
    assert statuses(begun) == {201: 1, 401: AT_ONCE - 1}


def test_rotated_key_keeps_its_last_two_secrets(api: Api, at_once: Callable[..., list[httpx.Response]]) -> None:
    made = api.admin.post("/v1/keys", json={"name": "k", "user": "u"}).json()
    answers = at_once("POST", f"/v1/keys/{made['id']}/rotate", json={})
    assert statuses(answers) == {200: AT_ONCE}
    secrets = [made["key"], *(answer.json()["key"] for answer in answers)]
    assert sum(api.client(secret).get("/v1/corpora").status_code == 200 for secret in secrets) == 2


def test_same_question_at_once_is_kept_once_and_costs_add_up(tmp_path: Path, postgres_url: str) -> None:
    with openai_server(Reply(PIECES)) as fake:
        api = Api(
            tmp_path,
            database={"url": postgres_url},
            providers={"fake": {"base_url": fake.url, "api_key": "sk-secret", "max_retries": 0}},
            models={"fake/large": PRICES},
            cache={"answers": True},
        )
        api.add("lunch.txt", LUNCH)
        question = {"question": "When is lunch served in the canteen?"}
        with served(api.app) as url, ThreadPoolExecutor(AT_ONCE) as pool:
            sent = [
                pool.submit(httpx.post, f"{url}/v1/answers", json=question, headers=api.admin.headers, timeout=60)
                for _ in range(AT_ONCE)
            ]
            assert {one.result().status_code for one in sent} == {200}
        calls = len(fake.requests)
        again = api.person("ann").post("/v1/answers", json=question).json()
        assert api.admin.post("/v1/answers", json=question).json()["cost"]["saved_usd"] == str(COST)
    spent = calls * COST + Decimal(again["cost"]["total_usd"])
    for group in GROUPS:
        assert Decimal(api.admin.get("/v1/costs", params={"group_by": group}).json()["total_usd"]) == spent
    assert Decimal(api.admin.get("/v1/costs/forecast").json()["spent_usd"]) == spent
    repriced = api.admin.get("/v1/costs/reprice").json()
    assert (repriced["equal"], repriced["differing"]) == (len(fake.requests), 0)
    assert f'moat_calls{{kind="answer",model="large",provider="fake",status="ok"}} {len(fake.requests)}.0' in (
        api.admin.get("/metrics").text
    )
    assert api.count(CachedAnswer) == 2
    api.close()
