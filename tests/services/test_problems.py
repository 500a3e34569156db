"""Every error is a problem: bad bodies, bad places, wrong methods, and faults of our own."""

import base64
import json
import re
import shutil
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from qdrant_client import QdrantClient

from moat.database import Database
from moat.errors import Unavailable
from tests.fakes.api import Api, problem
from tests.fakes.served import served

ASK = {"question": "When is lunch?"}
BAD_BODIES: dict[str, tuple[str, bytes, int]] = {
    "cut JSON": ("/v1/search", b'{"question": "a', 400),
    "no JSON": ("/v1/search", b"question=a", 400),
    "JSON that is no object": ("/v1/search", b"[]", 422),
    "no body": ("/v1/search", b"", 422),
    "bytes that are no text": ("/v1/search", b'{"question": "\xff\xfe"}', 400),
    "a lone surrogate": ("/v1/search", b'{"question": "\\ud800"}', 422),
    "a null character": ("/v1/search", b'{"question": "a\\u0000b"}', 422),
    "nesting without end": ("/v1/search", b"[" * 100_000, 400),
    "an unknown field": ("/v1/search", b'{"question": "a", "corpera": []}', 422),
    "an unknown field of the answer": ("/v1/answers", b'{"question": "a", "streem": true}', 422),
    "a blank question": ("/v1/answers", b'{"question": "  \\n "}', 422),
    "an empty question": ("/v1/search", b'{"question": ""}', 422),
    "a question that is a number": ("/v1/answers", b'{"question": 5}', 422),
    "a limit out of bounds": ("/v1/search", b'{"question": "a", "limit": 0}', 422),
    "an unknown arm": ("/v1/search", b'{"question": "a", "retrieval": {"arms": ["psychic"]}}', 422),
    "an unknown corpus to search": ("/v1/search", b'{"question": "a", "corpora": ["nowhere"]}', 404),
    "an unknown corpus to ask": ("/v1/answers", b'{"question": "a", "corpora": ["nowhere"]}', 404),
    "an unknown model": ("/v1/answers", b'{"question": "a", "model": "openai/gpt-99"}', 422),
    "an unknown model to stream": ("/v1/answers", b'{"question": "a", "model": "x", "stream": true}', 422),
    "a question of 100 kB": ("/v1/answers", json.dumps({"question": "why " * 25_000}).encode(), 413),
    "a search of 100 kB": ("/v1/search", json.dumps({"question": "why " * 25_000}).encode(), 413),
    "a body over the limit": ("/v1/search", json.dumps({"question": "x" * 2_100_000}).encode(), 413),
    "a corpus's name": ("/v1/corpora", b'{"name": "../etc"}', 422),
    "an embedder that is not here": ("/v1/corpora", b'{"name": "a", "pipeline": {"embedder": "gpt"}}', 422),
    "a chunk size": ("/v1/corpora", b'{"name": "a", "pipeline": {"chunk_tokens": 1}}', 422),
    "a group's name": ("/v1/corpora", b'{"name": "a", "access": [""]}', 422),
    "a scope": ("/v1/keys", b'{"name": "a", "user": "a", "scopes": ["root"]}', 422),
    "a time out of this world": ("/v1/keys", b'{"name":"a","user":"a","expires_at":"0001-01-01T00:00:00+14:00"}', 422),
    "a limited admin": ("/v1/keys", b'{"name":"a","user":"a","scopes":["admin"],"corpora":["default"]}', 422),
    "an origin with a path": ("/v1/widgets", b'{"name": "a", "origins": ["https://a.example/x"]}', 422),
    "an origin that is none": ("/v1/widgets", b'{"name": "a", "origins": ["http://[::1"]}', 422),
    "an origin's port": ("/v1/widgets", b'{"name": "a", "origins": ["http://a.example:99999"]}', 422),
    "an unknown widget": ("/v1/widget-sessions", b'{"widget_id": "wid_x"}', 403),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_BODIES)
def test_bad_body_is_told_why(untouched: Api, case: str) -> None:
    path, body, status = BAD_BODIES[case]
    told = problem(untouched.admin.post(path, content=body, headers={"Content-Type": "application/json"}), status)
    assert told["hint"]
    assert len(told["detail"]) < 1000
    assert untouched.client().get("/health/live").json() == {"live": True}


def test_unknown_model_names_those_there_are(api: Api) -> None:
    told = problem(api.admin.post("/v1/answers", json=ASK | {"model": "gpt"}), 422)
    assert "extractive" in told["hint"]


def test_problem_of_a_body_names_the_field_and_does_not_echo_it_at_length(api: Api) -> None:
    body = {"question": "a", "x" * 500_000: 1} | {f"field{n}": 1 for n in range(5000)}
    told = problem(api.admin.post("/v1/search", json=body), 422)
    assert len(told["detail"]) < 3000
    assert "and 4991 more" in told["detail"]


def _cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


LIST = "/v1/corpora/default/documents"
BAD_PLACES: dict[str, tuple[str, str, int]] = {
    "a cursor that is none": ("GET", f"{LIST}?cursor=x", 422),
    "a cursor of another shape": ("GET", f"{LIST}?cursor={_cursor([1])}", 422),
    "a cursor of other things": ("GET", f"{LIST}?cursor={_cursor(['2026-01-01T00:00:00', 5])}", 422),
    "a cursor out of this world": ("GET", f"{LIST}?cursor={_cursor(['0001-01-01T00:00:00+14:00', str(uuid4())])}", 422),
    "a cursor without end": ("GET", f"{LIST}?cursor={base64.urlsafe_b64encode(b'[' * 20_000).decode()}", 422),
    "a limit": ("GET", f"{LIST}?limit=0", 422),
    "a state": ("GET", f"{LIST}?state=happy", 422),
    "a time of costs": ("GET", "/v1/costs?from=yesterday", 422),
    "a time of costs out of this world": ("GET", "/v1/costs?from=0001-01-01T00:00:00%2B14:00", 422),
    "a group of costs": ("GET", "/v1/costs?group_by=colour", 422),
    "a format of costs": ("GET", "/v1/costs?format=xml", 422),
    "a UUID": ("GET", "/v1/documents/not-a-uuid", 422),
    "an unknown document": ("GET", f"/v1/documents/{uuid4()}", 404),
    "content of an unknown document": ("GET", f"/v1/documents/{uuid4()}/content", 404),
    "events of an unknown document": ("GET", f"/v1/documents/{uuid4()}/events", 404),
    "a chunk beyond numbers": ("GET", f"/v1/documents/{uuid4()}/chunks?cursor={10**30}", 422),
    "an unknown job": ("GET", f"/v1/jobs/{uuid4()}", 404),
    "an unknown answer": ("GET", f"/v1/answers/{uuid4()}", 404),
    "an unknown key": ("DELETE", f"/v1/keys/{uuid4()}", 404),
    "an unknown widget": ("DELETE", "/v1/widgets/wid_x", 404),
    "an unknown corpus": ("GET", "/v1/corpora/nowhere", 404),
    "a corpus of odd characters": ("GET", "/v1/corpora/%00%ff", 404),
    "an unknown route": ("GET", "/v1/nothing", 404),
    "an unknown file": ("GET", "/static/none.js", 404),
    "a wrong method": ("PUT", "/v1/corpora", 405),
    "a wrong method on a file": ("POST", "/widget.js", 405),
}


@pytest.mark.parametrize("case", BAD_PLACES)
def test_bad_place_is_told_why(untouched: Api, case: str) -> None:
    method, path, status = BAD_PLACES[case]
    assert problem(untouched.admin.request(method, path), status)["hint"]


def test_wrong_method_names_the_right_ones(api: Api) -> None:
    assert api.admin.put("/v1/search").headers["allow"] == "POST"


def test_body_over_the_limit_is_refused_while_it_comes(api: Api) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"question": "'
        for _ in range(40):
            yield b"x" * 100_000

    with served(api.app) as url, httpx.Client(base_url=url, headers=api.admin.headers) as client:
        told = problem(client.post("/v1/search", content=pieces()), 413)
        assert "2,000,000 bytes" in told["detail"]
        host, _, port = url.removeprefix("http://").partition(":")
        declaring = HTTPConnection(host, int(port), timeout=10)
        declaring.putrequest("POST", "/v1/search")
        declaring.putheader("Content-Length", "99999999")
        declaring.endheaders()
        assert declaring.getresponse().status == 413, "no byte of the body was needed"
        declaring.close()
        assert client.get("/health/live").status_code == 200


def test_fault_of_our_own_is_a_problem_that_tells_nothing_inside(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("internal-detail-42")

    monkeypatch.setattr("services.query.routes.search", broken)
    response = api.admin.post("/v1/search", json=ASK)
    assert problem(response, 500)["title"] == "Something went wrong inside Moat"
    assert "internal-detail-42" not in response.text


def test_lost_catalog_is_503_everywhere_and_shown_by_health(api: Api) -> None:
    (api.settings.home_folder / "catalog.db").unlink()
    api.database.close()
    (api.settings.home_folder / "catalog.db").mkdir()
    assert problem(api.admin.get("/v1/corpora"), 503)["hint"]
    assert problem(api.admin.post("/v1/answers", json=ASK, headers={"Origin": "https://a.example"}), 503)
    ready = api.client().get("/health/ready")
    assert ready.status_code == 503
    assert ready.json()["parts"]["catalog"]["ok"] is False
    assert api.client().get("/health/live").status_code == 200


def test_outage_tells_callers_no_host_folder_or_user(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away = Database("postgresql://keeper@127.0.0.1:1/ledgers")
    monkeypatch.setattr(api.database, "engine", away.engine)
    for client in (api.client("moat_wrong"), api.admin):
        told = problem(client.get("/v1/corpora"), 503)
        assert (told["detail"], told["hint"]) == ("The catalog does not answer.", Unavailable.default_hint)
    assert "127.0.0.1" in caplog.text, "the log says it"
    monkeypatch.undo()
    api.add("a.txt", "Lunch is at noon.")
    monkeypatch.setattr(api.vectors, "_client", QdrantClient(port=1, check_compatibility=False))
    assert problem(api.admin.post("/v1/search", json=ASK), 503)["detail"] == "The vector store failed."
    asked = api.admin.post("/v1/answers", json=ASK | {"stream": True})
    stored = api.admin.get("/v1/users/admin/export").json()["answers"][0]["body"]
    for text in (asked.text, str(stored)):
        assert "The vector store failed." in text
        assert "refused" not in text


def test_two_keys_in_one_call_are_refused_whichever_is_good(api: Api) -> None:
    good, bad = f"Bearer {api.admin_key}", "Bearer moat_wrong"
    for keys in ([good, bad], [bad, good], [good, good]):
        request = api.admin.build_request("GET", "/v1/corpora")
        request.headers = httpx.Headers([("Authorization", key) for key in keys])
        assert "More than one key" in problem(api.admin.send(request), 401)["detail"]


def test_health_is_ready_when_everything_answers(api: Api) -> None:
    ready = api.client().get("/health/ready")
    assert ready.status_code == 200
    assert {name: part["ok"] for name, part in ready.json()["parts"].items()} == {
        "catalog": True, "vectors": True, "blobs": True, "broker": True,
    }  # fmt: skip


def test_blobs_that_cannot_be_reached_are_named_by_health_with_what_to_mend(tmp_path: Path) -> None:
    api = Api(tmp_path)
    shutil.rmtree(api.settings.blobs_folder)
    ready = api.admin.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json()["ready"] is False
    blobs = ready.json()["parts"]["blobs"]
    assert str(api.settings.blobs_folder) in blobs["detail"]
    assert "MOAT_BLOBS" in blobs["hint"]
    for other in (api.client(), api.client("moat_wrong"), api.person("reader")):
        told = other.get("/health/ready")
        assert told.status_code == 503
        assert told.json()["parts"]["blobs"] == {"ok": False, "detail": "", "hint": ""}
        assert str(api.settings.blobs_folder) not in told.text
    api.close()


def test_the_reference_asks_no_other_host_for_anything(api: Api) -> None:
    page = api.client().get("/docs")
    assert page.status_code == 200
    assert "http://" not in page.text
    assert "https://" not in page.text
    script = re.search(r'src="([^"]+\.js)"', page.text)
    assert script
    assert api.client().get(script[1]).status_code == 200
