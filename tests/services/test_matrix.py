"""Every route, every caller, every kind of id: who gets what is stated here, one row a route."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from tests.fakes.houses import (
    CALLERS,
    DELETED,
    IDS,
    OWN,
    PAGE,
    QUESTION,
    Houses,
    Preparation,
    failed,
    queued,
    running,
    without_id,
)

ID = "{id}"  # stands for the id in a body, where it is not in the path


@dataclass(frozen=True)
class Row:
    """What a route demands, and what it answers to those who have that and may know of the thing.

    `kind` is of the thing whose id the route takes, in its path or, as ID, in its body: corpus, document, answer, job,
    key, widget, source, erasure, user, budget; or page, for a widget as any page sees it. Without one there is no id to
    vary. A caller without the scope gets 403, one who may not know of the thing `unseen`.
    """

    scope: str | None  # None: nobody is asked for a key
    ok: int
    kind: str | None = None
    body: Any = None
    send: dict[str, Any] = field(default_factory=dict)  # what else goes with the request
    before: Preparation | None = None
    unseen: int = 404
    but: dict[tuple[str, str], int] = field(default_factory=dict)  # (caller, which): exceptions


FILES = {"files": [("files", ("new.txt", b"The salary is new.\n"))]}
AS_PAGE = {"headers": {"Origin": PAGE}}

TABLE: dict[str, Row] = {
    "GET /v1/corpora": Row("read", 200),
    "POST /v1/corpora": Row("admin", 201, body={"name": "fresh"}),
    "GET /v1/corpora/{corpus}": Row("read", 200, "corpus"),
    "PATCH /v1/corpora/{corpus}": Row("admin", 200, "corpus", {"access": ["everyone"]}),
    "DELETE /v1/corpora/{corpus}": Row("admin", 202, "corpus"),
    "GET /v1/corpora/{corpus}/report": Row("admin", 200, "corpus"),
    "GET /v1/corpora/{corpus}/documents": Row("read", 200, "corpus"),
    "POST /v1/corpora/{corpus}/documents": Row("upload", 202, "corpus", send=FILES),
    "POST /v1/corpora/{corpus}/reindex": Row("admin", 202, "corpus", {"chunk_tokens": 64}),
    "GET /v1/documents/{document_id}": Row("read", 200, "document"),
    "DELETE /v1/documents/{document_id}": Row("upload", 202, "document"),
    "POST /v1/documents/{document_id}/retry": Row("upload", 202, "document", before=failed),
    "POST /v1/documents/{document_id}/cancel": Row("upload", 202, "document", before=queued),
    "PUT /v1/documents/{document_id}/access": Row("admin", 200, "document", {"access": ["everyone"]}),
    "GET /v1/documents/{document_id}/content": Row("read", 200, "document"),
    "GET /v1/documents/{document_id}/text": Row("read", 200, "document"),
    "GET /v1/documents/{document_id}/chunks": Row("read", 200, "document"),
    "GET /v1/documents/{document_id}/events": Row("read", 200, "document"),
    "POST /v1/search": Row("ask", 200, "corpus", {"question": QUESTION, "explain": True, "corpora": [ID]}),
    "POST /v1/answers": Row("ask", 200, "corpus", {"question": QUESTION, "corpora": [ID]}),
    # No model is configured there, so whoever may ask for a judgement hears that.
    "POST /v1/judgements": Row(
        "admin", 422, "corpus", {"question": "q", "expected": "a", "answer": "b", "model": "none/none", "corpora": [ID]}
    ),
    "GET /v1/answers/{answer_id}": Row("ask", 200, "answer"),
    "POST /v1/answers/{answer_id}/feedback": Row("ask", 204, "answer", {"rating": "up"}),
    "GET /v1/jobs/{job_id}": Row("admin", 200, "job"),
    "GET /v1/jobs/{job_id}/events": Row("admin", 200, "job"),
    "POST /v1/jobs/{job_id}/cancel": Row("admin", 200, "job", before=running),
    "GET /v1/keys": Row("admin", 200),
    "POST /v1/keys": Row("admin", 201, "corpus", {"name": "k", "user": "ann", "corpora": [ID], "scopes": ["read"]}),
    # Nobody cuts the branch they sit on; what was revoked stays listed, and revoking it again changes nothing.
    "DELETE /v1/keys/{key_id}": Row("admin", 200, "key", but={("admin", OWN): 409, ("admin", DELETED): 200}),
    "GET /v1/widgets": Row("admin", 200),
    "POST /v1/widgets": Row("admin", 201, "corpus", {"name": "w", "origins": [PAGE], "corpora": [ID]}),
    "DELETE /v1/widgets/{widget_id}": Row("admin", 204, "widget"),
    "POST /v1/widget-sessions": Row(None, 201, "page", {"widget_id": ID}, AS_PAGE, unseen=403),
    "GET /v1/sources": Row("admin", 200),
    # A source that was taken out of moat.toml is still shown with its documents, but not run.
    "GET /v1/sources/{name}": Row("admin", 200, "source", but={("admin", DELETED): 200}),
    "POST /v1/sources/{name}/sync": Row("admin", 202, "source", {}),
    "POST /v1/sources/{name}/approve": Row("admin", 202, "source"),
    "POST /v1/keys/{key_id}/rotate": Row("admin", 200, "key", {}, but={("admin", DELETED): 409}),
    "POST /v1/widgets/{widget_id}/secret": Row("admin", 200, "widget"),
    "PUT /v1/corpora/{corpus}/retention": Row("admin", 200, "corpus", {"days": 30}),
    "GET /v1/audit": Row("admin", 200),
    "GET /v1/audit/head": Row("admin", 200),
    "GET /v1/erasures": Row("admin", 200),
    "GET /v1/erasures/{erasure_id}": Row("read", 200, "erasure"),
    "GET /v1/users/{user}/export": Row("read", 200, "user", unseen=403),
    "DELETE /v1/users/{user}/history": Row("read", 202, "user", unseen=403),
    "GET /v1/costs": Row("read", 200),
    "GET /v1/budgets": Row("read", 200),
    "PUT /v1/budgets": Row(
        "admin", 200, "corpus", {"scope": "corpus", "subject": ID, "period": "day", "limit_usd": "5"}
    ),
    "DELETE /v1/budgets/{budget_id}": Row("admin", 204, "budget"),
    "GET /v1/costs/forecast": Row("read", 200),
    "GET /v1/costs/reprice": Row("admin", 200),
    "POST /v1/costs/reconcile": Row("admin", 200, body={"csv": "day,model,tokens,dollars\n2026-01-01,m,1,0.1\n"}),
    "GET /v1/models": Row("ask", 200),
    "GET /health/live": Row(None, 200),
    "GET /health/ready": Row(None, 200),
    "GET /metrics": Row("admin", 200),  # or the scope metrics, or from this machine
}


# Pages and their files, which are the same for everybody.
PUBLIC = {"/", "/docs", "/openapi.json", "/static-offline-docs", "/static/{path:path}", "/widget.js"}


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Houses]:
    made = Houses(tmp_path_factory.mktemp("houses"))
    yield made
    made.close()


def expected(row: Row, caller: str, which: str, houses: Houses) -> int:
    scopes = CALLERS[caller]
    if row.scope is not None and scopes is None:
        return 401
    if row.scope is not None and row.scope not in (scopes or ()):
        return 403
    if (caller, which) in row.but:
        return row.but[caller, which]
    return row.ok if row.kind is None or houses.sees(row.kind, which, caller) else row.unseen


def with_id(body: Any, id_: str) -> Any:
    if isinstance(body, dict):
        return {name: with_id(value, id_) for name, value in body.items()}
    if isinstance(body, list):
        return [with_id(value, id_) for value in body]
    return id_ if body == ID else body


def at(path: str, id_: str) -> str:
    return "/".join(id_ if part.startswith("{") else part for part in path.split("/"))


def test_every_route_has_its_row_and_every_row_its_route(houses: Houses) -> None:
    paths = houses.api.app.openapi()["paths"]
    assert {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} == set(TABLE)


def test_what_the_description_leaves_out_are_public_files_and_no_more(houses: Houses) -> None:
    """A route that is hidden from the description would have no row above."""
    described = houses.api.app.openapi()["paths"]
    served = {str(route.path) for route in iter_route_contexts(houses.api.app.routes)}
    assert served - set(described) == PUBLIC


@pytest.mark.parametrize("route", TABLE)
def test_each_caller_gets_what_the_table_says(houses: Houses, route: str) -> None:
    row, (method, path) = TABLE[route], route.split()
    wrong: list[str] = []
    for caller in CALLERS:
        refusals: dict[int, set[str]] = {}
        for which in IDS if row.kind else (OWN,):
            id_ = houses.id(row.kind, which, caller) if row.kind else ""
            if row.before is not None:
                row.before(houses)
            body = None if row.body is None else with_id(row.body, id_)
            response = houses.client(caller).request(method, at(path, id_), json=body, **row.send)
            status = expected(row, caller, which, houses)
            if response.status_code != status:
                wrong.append(f"{caller}, {which}: {response.status_code}, not {status}: {response.text[:200]}")
            wrong += [f"{caller}, {which}: told {s}" for s in houses.secrets_kept_from(caller) if s in response.text]
            if response.status_code in (401, 403, 404):
                refusals.setdefault(response.status_code, set()).add(repr(without_id(response, id_)))
            if (response.is_success and method != "GET") or row.before is not None:
                houses.restore()
        wrong += [f"{caller}: refusals differ: {said}" for said in refusals.values() if len(said) > 1]
    assert wrong == []


def test_what_was_refused_has_changed_nothing(houses: Houses) -> None:
    admin = houses.client("admin")
    before = shown(houses)
    for route, row in TABLE.items():
        method, path = route.split()
        if method == "GET" or row.kind is None:
            continue
        for caller in CALLERS:
            for which in IDS:
                if expected(row, caller, which, houses) < 400:
                    continue
                id_ = houses.id(row.kind, which, caller)
                houses.client(caller).request(method, at(path, id_), json=with_id(row.body, id_), **row.send)
    assert shown(houses) == before
    assert admin.get("/v1/corpora").status_code == 200


def shown(houses: Houses) -> dict[str, Any]:
    """Collect all that an admin sees of what could have been changed."""
    admin = houses.client("admin")
    documents = ("/v1/corpora/house/documents", "/v1/corpora/vault/documents")
    lists = ("/v1/corpora", *documents, "/v1/widgets", "/v1/sources", "/v1/budgets")
    return {path: admin.get(path).json() for path in lists} | {
        "keys": [{**key, "last_used_at": None} for key in admin.get("/v1/keys").json()["items"]],
        "job": admin.get(f"/v1/jobs/{houses.id('job', OWN, 'admin')}").json(),
    }
