"""A widget's session works on its own pages, for its time, and reads what the widget may."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from moat.tables import WidgetSession, utc_now
from tests.fakes.api import Api, problem, stream

PAGE = "https://intranet.example"
ELSEWHERE = "https://elsewhere.example"


@pytest.fixture
def widget(api: Api) -> dict[str, Any]:
    api.add("open.txt", "Lunch is served at noon.\n")
    api.add("hr.txt", "Lunch for applicants is served at one.\n", access="hr")
    body = {"name": "intranet", "origins": [f"{PAGE.upper()}:443/", "http://localhost:8080"], "groups": []}
    made = api.admin.post("/v1/widgets", json=body)
    assert made.status_code == 201
    return dict(made.json())


def begin(api: Api, widget: dict[str, Any], origin: str = PAGE) -> Any:
    return api.client(Origin=origin).post("/v1/widget-sessions", json={"widget_id": widget["id"]})


def visitor(api: Api, widget: dict[str, Any], origin: str = PAGE) -> TestClient:
    return api.client(begin(api, widget, origin).json()["token"], Origin=origin)


def test_origins_are_kept_as_browsers_write_them(widget: dict[str, Any]) -> None:
    assert widget["origins"] == [PAGE, "http://localhost:8080"]


def test_session_is_given_to_registered_pages_only(api: Api, widget: dict[str, Any]) -> None:
    started = begin(api, widget)
    assert started.status_code == 201
    assert set(started.json()) == {"token", "expires_at", "limit_usd"}
    for origin in (ELSEWHERE, "http://intranet.example", f"{PAGE}:8443", f"{PAGE}.evil.example", "null", ""):
        problem(begin(api, widget, origin), 403)
    problem(api.client().post("/v1/widget-sessions", json={"widget_id": widget["id"]}), 403)


def test_visitor_asks_and_sees_only_what_everyone_may_read(api: Api, widget: dict[str, Any]) -> None:
    said = dict(stream(visitor(api, widget), "When is lunch served?"))
    assert [passage["text"] for passage in said["sources"]["passages"]] == ["Lunch is served at noon."]
    (citation,) = said["done"]["citations"]
    assert citation["quote"] in said["sources"]["passages"][0]["text"]


def test_widget_may_read_as_a_group_and_be_limited_to_corpora(api: Api, widget: dict[str, Any]) -> None:
    api.corpus("empty")
    body = {"name": "w", "origins": [PAGE]}
    with_group = api.admin.post("/v1/widgets", json=body | {"groups": ["hr", "everyone"]}).json()
    limited = api.admin.post("/v1/widgets", json=body | {"corpora": ["empty"]}).json()
    question = {"question": "When is lunch served?"}
    assert len(visitor(api, with_group).post("/v1/search", json=question).json()["passages"]) == 2
    assert visitor(api, limited).post("/v1/search", json=question).json()["passages"] == []
    problem(api.admin.post("/v1/widgets", json=body | {"corpora": ["nowhere"]}), 404)


def test_session_is_bound_to_its_page(api: Api, widget: dict[str, Any]) -> None:
    token = begin(api, widget).json()["token"]
    question = {"question": "When is lunch served?"}
    for headers in ({"Origin": ELSEWHERE}, {"Origin": "http://localhost:8080"}, {}):
        problem(api.client(token, **headers).post("/v1/search", json=question), 401)
    assert api.client(token, Origin=PAGE).post("/v1/search", json=question).status_code == 200


def test_session_asks_and_does_nothing_else(api: Api, widget: dict[str, Any]) -> None:
    client = visitor(api, widget)
    problem(client.get("/v1/corpora"), 403)
    problem(client.get("/v1/corpora/default/documents"), 403)
    problem(client.get("/v1/costs"), 403)
    problem(api.upload("a.txt", "Text.", client=client), 403)
    problem(client.get("/v1/keys"), 403)
    problem(client.get("/v1/widgets"), 403)


def test_visitors_do_not_see_each_other_s_answers_or_costs(api: Api, widget: dict[str, Any]) -> None:
    first, second = visitor(api, widget), visitor(api, widget)
    id_ = first.post("/v1/answers", json={"question": "When is lunch served?"}).json()["id"]
    assert first.get(f"/v1/answers/{id_}").status_code == 200
    problem(second.get(f"/v1/answers/{id_}"), 404)
    problem(second.post(f"/v1/answers/{id_}/feedback", json={"rating": "up"}), 404)


def test_session_expires(api: Api, widget: dict[str, Any]) -> None:
    client = visitor(api, widget)
    with api.database.transaction() as session:
        lasts = session.scalars(select(WidgetSession.expires_at)).one() - utc_now()
        assert timedelta(minutes=9) < lasts <= timedelta(seconds=api.settings.widget.session_s)
        session.execute(update(WidgetSession).values(expires_at=utc_now()))
    problem(client.post("/v1/search", json={"question": "lunch"}), 401)


def test_deleted_widget_ends_its_sessions(api: Api, widget: dict[str, Any]) -> None:
    client = visitor(api, widget)
    assert [w["id"] for w in api.admin.get("/v1/widgets").json()["items"]] == [widget["id"]]
    assert api.admin.delete(f"/v1/widgets/{widget['id']}").status_code == 204
    problem(client.post("/v1/search", json={"question": "lunch"}), 401)
    problem(begin(api, widget), 403)
    assert api.admin.get("/v1/widgets").json()["items"] == []
    assert preflight(api, "/v1/answers").status_code == 403


def preflight(api: Api, path: str, origin: str = PAGE, method: str = "POST") -> Any:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    return api.client(**asked).options(path, headers={"Access-Control-Request-Headers": "authorization,content-type"})


def test_preflight_allows_registered_pages_on_what_a_widget_calls(api: Api, widget: dict[str, Any]) -> None:
    for path, method in (
        ("/v1/widget-sessions", "POST"),
        ("/v1/answers", "POST"),
        (f"/v1/answers/{widget['id']}/feedback", "POST"),
        (f"/v1/answers/{widget['id']}", "GET"),
    ):
        allowed = preflight(api, path, method=method)
        assert allowed.status_code == 200, path
        assert allowed.headers["access-control-allow-origin"] == PAGE
        assert "access-control-allow-credentials" not in allowed.headers
        assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
        refused = preflight(api, path, ELSEWHERE, method)
        problem(refused, 403)
        assert "access-control-allow-origin" not in refused.headers


def test_no_other_path_is_opened_to_any_page(api: Api, widget: dict[str, Any]) -> None:
    for path in ("/v1/keys", "/v1/corpora", "/v1/documents/x/text", "/v1/costs", "/v1/search"):
        response = preflight(api, path)
        assert response.status_code == 405
        assert "access-control-allow-origin" not in response.headers
        answer = api.client(api.admin_key, Origin=PAGE).get(path)
        assert "access-control-allow-origin" not in answer.headers


def test_answers_and_errors_name_the_page_so_that_its_script_may_read_them(api: Api, widget: dict[str, Any]) -> None:
    answer = visitor(api, widget).post("/v1/answers", json={"question": "When is lunch served?"})
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "origin" in answer.headers["vary"].lower()
    refused = api.client("mws_wrong", Origin=PAGE).post("/v1/answers", json={"question": "a"})
    problem(refused, 401)
    assert refused.headers["access-control-allow-origin"] == PAGE
    foreign = api.client(api.admin_key, Origin=ELSEWHERE).post("/v1/answers", json={"question": "a"})
    assert "access-control-allow-origin" not in foreign.headers


def test_page_may_call_as_soon_as_its_widget_is_made(api: Api) -> None:
    assert preflight(api, "/v1/answers").status_code == 403
    api.admin.post("/v1/widgets", json={"name": "w", "origins": [PAGE]})
    assert preflight(api, "/v1/answers").status_code == 200
