"""Who may do and see what, from the first day."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from moat.access import SCOPES, create_key
from moat.errors import InvalidRequest
from moat.tables import ApiKey, Job, utc_now
from tests.fakes.api import Api, problem, stream

HR = "The salary review happens in March for everyone in the firm.\n"
SALES = "The salary bonus of sales is paid in April after the review.\n"
OPEN = "The salary is paid on the last day of the month.\n"
QUESTION = "When is the salary review and the bonus paid?"
PUBLIC = {("GET", "/health/live"), ("GET", "/health/ready"), ("POST", "/v1/widget-sessions")}


def routes(api: Api) -> list[tuple[str, str]]:
    paths = api.client().get("/openapi.json").json()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


def at(path: str) -> str:
    return re.sub(r"\{[^}]*\}", lambda _: str(uuid4()), path)


def test_every_route_but_the_public_ones_asks_for_a_key(api: Api) -> None:
    found = routes(api)
    assert len(found) > 25
    for method, path in found:
        response = api.client().request(method, at(path), json={})
        if (method, path) in PUBLIC:
            assert response.status_code != 401, path
        else:
            assert problem(response, 401)["hint"], path
            assert response.headers["www-authenticate"] == "Bearer"
    for path in ("/", "/widget.js", "/static/page.css", "/docs", "/openapi.json"):
        assert api.client().get(path).status_code == 200


def test_every_route_asks_for_a_scope(api: Api) -> None:
    nobody = api.person("nobody", scopes=())
    for method, path in routes(api):
        if (method, path) not in PUBLIC:
            problem(nobody.request(method, at(path), json={}), 403)


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer moat_wrong", "Bearer mws_wrong", "Basic YTpi", "moat_x", "Bearer \xe9"],
)
def test_wrong_key_is_401(api: Api, authorization: str) -> None:
    response = api.client().get("/v1/corpora", headers={"Authorization": authorization.encode("latin-1")})
    problem(response, 401)


def test_expired_and_revoked_keys_are_401_at_once(api: Api) -> None:
    problem(api.person("old", expires_at=utc_now() - timedelta(seconds=1)).get("/v1/corpora"), 401)
    made = api.admin.post("/v1/keys", json={"name": "temp", "user": "tom"}).json()
    client = api.client(made["key"])
    assert client.get("/v1/corpora").status_code == 200
    assert api.admin.delete(f"/v1/keys/{made['id']}").json()["revoked_at"] is not None
    problem(client.get("/v1/corpora"), 401)
    with api.database.transaction() as session:
        session.execute(update(ApiKey).where(ApiKey.user == "admin").values(expires_at=utc_now()))
    problem(api.admin.get("/v1/corpora"), 401)


SCOPED: list[tuple[str, str, str, Any]] = [
    ("read", "GET", "/v1/corpora", None),
    ("read", "GET", "/v1/corpora/default/documents", None),
    ("read", "GET", "/v1/costs", None),
    ("ask", "POST", "/v1/search", {"question": "a"}),
    ("ask", "POST", "/v1/answers", {"question": "a"}),
    ("ask", "GET", "/v1/models", None),
    ("upload", "DELETE", f"/v1/documents/{uuid4()}", None),
    ("upload", "POST", f"/v1/documents/{uuid4()}/retry", None),
    ("admin", "PUT", f"/v1/documents/{uuid4()}/access", {"access": []}),
    ("admin", "POST", "/v1/corpora", {"name": "a"}),
    ("admin", "PATCH", "/v1/corpora/default", {"name": "b"}),
    ("admin", "DELETE", "/v1/corpora/default", None),
    ("admin", "POST", "/v1/corpora/default/reindex", {"dry_run": True}),
    ("admin", "GET", f"/v1/jobs/{uuid4()}", None),
    ("admin", "GET", "/v1/keys", None),
    ("admin", "POST", "/v1/keys", {"name": "a", "user": "a"}),
    ("admin", "DELETE", f"/v1/keys/{uuid4()}", None),
    ("admin", "GET", "/v1/widgets", None),
    ("admin", "POST", "/v1/widgets", {"name": "a", "origins": ["https://a.example"]}),
    ("admin", "DELETE", "/v1/widgets/wid_x", None),
]


def test_key_without_the_scope_is_403_and_told_which(api: Api) -> None:
    for scope, method, path, body in SCOPED:
        lacking = api.person("lacking", scopes=[s for s in SCOPES if s not in (scope, "admin")])
        told = problem(lacking.request(method, path, json=body), 403)
        assert f"'{scope}'" in told["detail"], path
    problem(api.upload("a.txt", OPEN, client=api.person("reader", scopes=["read", "ask"])), 403)
    assert api.admin.get("/v1/corpora/default").status_code == 200


@pytest.fixture
def shared(api: Api) -> dict[str, str]:
    api.corpus("board", ["board"])
    return {
        "hr": api.add("hr.txt", HR, access="hr"),
        "sales": api.add("sales.txt", SALES, access="sales"),
        "open": api.add("open.txt", OPEN),
        "saul": api.add("own.txt", "The salary review of Saul is a bonus paid in May.\n", access="user:saul"),
        "board": api.add("board.txt", "The salary bonus of the board is paid in June.\n", corpus="board"),
    }


def seen(api: Api, client: TestClient) -> set[str]:
    """Collect what a person can find by any way, after checking that the ways agree."""
    corpora = client.get("/v1/corpora").json()["items"]
    listed: set[str] = set()
    for corpus in corpora:
        page = client.get(f"/v1/corpora/{corpus['name']}/documents").json()
        ids = {document["id"] for document in page["items"]}
        listed |= ids
        assert corpus["documents"] == sum(page["counts"].values()) == sum(corpus["counts"].values()) == len(ids)
        assert corpus["chunks"] == len(ids)
    found = client.post("/v1/search", json={"question": QUESTION, "limit": 50}).json()["passages"]
    assert {passage["document_id"] for passage in found} == listed
    said = dict(stream(client, QUESTION))
    assert {passage["document_id"] for passage in said["sources"]["passages"]} <= listed
    whole = client.post("/v1/answers", json={"question": QUESTION}).json()
    cited = {citation["document_id"] for citation in whole["citations"] + said["done"]["citations"]}
    assert cited <= listed
    for citation in whole["citations"]:
        assert client.get(f"/v1/documents/{citation['document_id']}/text").status_code == 200
    return listed


def test_people_find_what_their_groups_may_read_and_nothing_else(api: Api, shared: dict[str, str]) -> None:
    def ids(*names: str) -> set[str]:
        return {shared[name] for name in names}

    assert seen(api, api.admin) == set(shared.values())
    assert seen(api, api.person("rita")) == ids("open")
    assert seen(api, api.person("hanna", "hr")) == ids("open", "hr")
    assert seen(api, api.person("saul", "sales")) == ids("open", "sales", "saul")
    assert seen(api, api.person("bea", "board")) == ids("open", "board")
    assert seen(api, api.person("tom", "hr", corpora=[api.corpus_id("board")])) == set()
    assert seen(api, api.person("tess", "board", corpora=[api.corpus_id("board")])) == ids("board")


def test_what_one_may_not_read_is_404_as_if_it_were_not_there(api: Api, shared: dict[str, str]) -> None:
    rita = api.person("rita")
    missing = problem(rita.get(f"/v1/documents/{uuid4()}"), 404)
    for name in ("hr", "sales", "saul", "board"):
        for part in ("", "/content", "/text", "/chunks", "/events"):
            told = problem(rita.get(f"/v1/documents/{shared[name]}{part}"), 404)
        assert told["detail"].replace(shared[name], "") == re.sub(r"[0-9a-f-]{36}", "", missing["detail"])
        problem(rita.delete(f"/v1/documents/{shared[name]}"), 404)
        problem(rita.post(f"/v1/documents/{shared[name]}/retry"), 404)
    for corpus in ("board", str(api.corpus_id("board"))):
        problem(rita.get(f"/v1/corpora/{corpus}"), 404)
        problem(rita.get(f"/v1/corpora/{corpus}/documents"), 404)
        problem(api.upload("a.txt", OPEN, client=rita, corpus=corpus), 404)
        problem(rita.post("/v1/search", json={"question": "a", "corpora": [corpus]}), 404)
        problem(rita.post("/v1/answers", json={"question": "a", "corpora": [corpus]}), 404)
        problem(rita.post("/v1/answers", json={"question": "a", "corpora": [corpus], "stream": True}), 404)
    assert set(seen(api, api.admin)) == set(shared.values()), "nothing was changed by trying"


def test_readable_document_in_an_unreadable_corpus_stays_hidden(api: Api) -> None:
    api.corpus("board", ["board"])
    id_ = api.add("all.txt", OPEN, corpus="board", access="everyone")
    rita = api.person("rita")
    problem(rita.get(f"/v1/documents/{id_}"), 404)
    assert seen(api, rita) == set()
    api.admin.patch("/v1/corpora/board", json={"access": ["everyone"]})
    assert seen(api, rita) == {id_}


def test_key_limited_to_corpora_reaches_no_document_of_another(api: Api, shared: dict[str, str]) -> None:
    limited = api.person("lea", "board", "hr", corpora=[api.corpus_id("board")])
    problem(limited.get(f"/v1/documents/{shared['open']}"), 404)
    problem(limited.get("/v1/corpora/default"), 404)
    problem(limited.post("/v1/search", json={"question": "a", "corpora": ["default"]}), 404)


def test_someone_called_like_a_group_or_everyone_gains_nothing(api: Api, shared: dict[str, str]) -> None:
    assert seen(api, api.person("hr")) == {shared["open"]}
    assert seen(api, api.person("everyone")) == {shared["open"]}
    assert seen(api, api.person("user:saul")) == {shared["open"]}


def test_answers_jobs_and_feedback_of_others_are_404(api: Api, shared: dict[str, str]) -> None:
    hanna, saul = api.person("hanna", "hr"), api.person("saul", "sales")
    id_ = hanna.post("/v1/answers", json={"question": QUESTION}).json()["id"]
    assert hanna.get(f"/v1/answers/{id_}").json()["id"] == id_
    for other in (saul, api.admin):
        problem(other.get(f"/v1/answers/{id_}"), 404)
        problem(other.post(f"/v1/answers/{id_}/feedback", json={"rating": "up"}), 404)
    job = uuid4()
    with api.database.transaction() as session:
        session.add(Job(id=job, kind="reindex", corpus_id=api.corpus_id("board"), state="done", requested_by="x"))
    assert api.admin.get(f"/v1/jobs/{job}").json()["state"] == "done"
    problem(saul.get(f"/v1/jobs/{job}"), 403)


def test_only_admins_choose_how_to_retrieve(api: Api, shared: dict[str, str]) -> None:
    body = {"question": QUESTION, "explain": True, "retrieval": {"arms": ["sparse"]}}
    problem(api.person("rita").post("/v1/search", json=body), 403)
    passages = api.admin.post("/v1/search", json=body).json()["passages"]
    assert [set(passage["arms"]) for passage in passages] == [{"sparse", "fused"}] * len(passages)
    assert passages


def test_secret_of_a_key_is_shown_once_and_only_its_hash_is_kept(api: Api) -> None:
    wanted = {"name": "ci", "user": "robot", "groups": ["hr"], "scopes": ["read"], "corpora": ["default"]}
    made = api.admin.post("/v1/keys", json=wanted)
    assert made.status_code == 201
    secret = made.json()["key"]
    assert secret.startswith(made.json()["prefix"])
    listed = api.admin.get("/v1/keys")
    assert secret not in listed.text
    (shown,) = [key for key in listed.json()["items"] if key["name"] == "ci"]
    assert (shown["key"], shown["corpora"]) == (None, [str(api.corpus_id("default"))])
    api.client(secret).get("/v1/corpora")
    (used,) = [key for key in api.admin.get("/v1/keys").json()["items"] if key["name"] == "ci"]
    assert used["last_used_at"] is not None
    api.database.close()
    for file in api.settings.home_folder.glob("catalog.db*"):
        assert secret.encode() not in file.read_bytes()
        assert secret.removeprefix("moat_").encode() not in file.read_bytes()


def test_admin_cannot_revoke_the_key_in_use(api: Api) -> None:
    own = next(key for key in api.admin.get("/v1/keys").json()["items"] if key["user"] == "admin")
    problem(api.admin.delete(f"/v1/keys/{own['id']}"), 409)


def test_key_for_an_unknown_corpus_is_404(api: Api) -> None:
    problem(api.admin.post("/v1/keys", json={"name": "a", "user": "a", "corpora": ["nowhere"]}), 404)


def test_unknown_scope_is_refused_when_a_key_is_made(api: Api) -> None:
    with api.database.transaction() as session, pytest.raises(InvalidRequest, match="no scope 'root'"):
        create_key(session, name="a", user="a", scopes=["root"])
