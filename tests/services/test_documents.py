"""What becomes of an upload: states, durability, duplicates, versions, deletion, and reading it back."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from moat.errors import ParserCrashed, ParsingFailed
from moat.tables import Document, Indexing, Outbox, Version
from services.upload import routes
from tests.fakes import documents
from tests.fakes.api import Api, multipart, problem
from tests.fakes.served import served

LUNCH = "Lunch is served at noon in the canteen.\n"
LATER = "Lunch is served at one in the canteen.\n"


def item(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 202, response.text
    (only,) = response.json()["items"]
    assert only["problem"] is None
    return dict(only)


def show(api: Api, id_: str, client: TestClient | None = None) -> dict[str, Any]:
    response = (client or api.admin).get(f"/v1/documents/{id_}")
    assert response.status_code == 200, response.text
    return dict(response.json())


def texts(client: TestClient, question: str = "When is lunch served in the canteen?") -> list[str]:
    response = client.post("/v1/search", json={"question": question})
    assert response.status_code == 200, response.text
    return [passage["text"] for passage in response.json()["passages"]]


def test_accepted_upload_is_durable_and_becomes_ready(api: Api) -> None:
    accepted = item(api.upload("lunch.txt", LUNCH, metadata='{"team": "hr"}'))
    assert (accepted["state"], accepted["duplicate"]) == ("queued", False)
    with api.database.reading() as session:
        sha256 = session.query(Version.sha256).scalar()
    assert [path.name for path in api.files("originals")] == [sha256]
    assert api.files("staging") == []
    waiting = show(api, accepted["id"])
    assert (waiting["state"], waiting["serving_version"], waiting["progress"]) == ("queued", None, 0.0)
    problem(api.admin.get(f"/v1/documents/{accepted['id']}/text"), 404)
    api.work()
    ready = show(api, accepted["id"])
    assert (ready["state"], ready["serving_version"], ready["progress"], ready["chunks"]) == ("ready", 1, 1.0, 1)
    assert ready["metadata"] == {"team": "hr"}
    assert ready["access"] == ["everyone"]
    assert (ready["size"], ready["media_type"], ready["uploaded_by"]) == (len(LUNCH), "text/plain", "admin")


@pytest.mark.parametrize("broker", ["redis://127.0.0.1:1/0", "amqp://127.0.0.1:1//"])
def test_upload_is_accepted_while_the_broker_is_away(tmp_path: Any, broker: str) -> None:
    api = Api(tmp_path, broker={"url": broker})
    started = time.monotonic()
    accepted = item(api.upload("lunch.txt", LUNCH))
    assert time.monotonic() - started < 3, "nobody waits for the broker"
    assert api.count(Outbox) == 1, "the task waits in the catalog"
    health = api.client().get("/health/ready")
    assert health.status_code == 200
    assert health.json()["parts"]["broker"]["ok"] is False
    api.work()
    assert show(api, accepted["id"])["state"] == "ready"
    api.close()


def test_same_file_again_is_the_same_document(api: Api) -> None:
    first = item(api.upload("lunch.txt", LUNCH))
    again = item(api.upload("lunch.txt", LUNCH))
    assert again["id"] == first["id"]
    assert again["duplicate"] is True
    api.work()
    assert item(api.upload("lunch.txt", LUNCH, access="everyone"))["duplicate"] is True
    assert (api.count(Document), api.count(Version), api.count(Indexing)) == (1, 1, 1)


def test_other_corpus_or_key_or_access_is_no_duplicate(api: Api) -> None:
    api.corpus("other", ["hr", "everyone"])
    first = item(api.upload("lunch.txt", LUNCH))
    assert item(api.upload("lunch.txt", LUNCH, corpus="other"))["id"] != first["id"]
    assert item(api.upload("lunch.txt", LUNCH, key="second"))["id"] != first["id"]
    narrower = item(api.upload("lunch.txt", LUNCH, access="hr"))
    assert (narrower["id"], narrower["duplicate"]) == (first["id"], False)
    assert show(api, first["id"])["version"] == 2
    assert len(api.files("originals")) == 1, "the same bytes are kept once"


def test_key_of_an_unreadable_document_looks_free(api: Api) -> None:
    hr, sales = api.person("hanna", "hr"), api.person("saul", "sales")
    hidden = item(api.upload("plan.txt", LUNCH, client=hr, access="hr"))
    api.work()
    own = item(api.upload("plan.txt", LUNCH, client=sales, access="sales"))
    api.work()
    assert own["id"] != hidden["id"]
    assert own["duplicate"] is False
    assert show(api, own["id"], sales)["version"] == 1
    assert show(api, hidden["id"], hr)["version"] == 1
    problem(sales.get(f"/v1/documents/{hidden['id']}"), 404)
    listed = sales.get("/v1/corpora/default/documents", params={"key": "plan.txt"}).json()
    assert [document["id"] for document in listed["items"]] == [own["id"]]


def test_new_file_under_a_key_replaces_the_old_one_when_it_is_ready(api: Api) -> None:
    id_ = api.add("lunch.txt", LUNCH)
    second = item(api.upload("lunch.txt", LATER))
    assert second["id"] == id_
    waiting = show(api, id_)
    assert (waiting["version"], waiting["serving_version"], waiting["state"]) == (2, 1, "queued")
    assert texts(api.admin) == [LUNCH.strip()]
    api.work()
    assert show(api, id_)["serving_version"] == 2
    assert texts(api.admin) == [LATER.strip()]
    assert api.admin.get(f"/v1/documents/{id_}/text").json()["text"].strip() == LATER.strip()


def test_failed_new_version_leaves_the_old_one_serving(api: Api) -> None:
    id_ = api.add("lunch.txt", LUNCH)
    api.upload("lunch.pdf", documents.pdf([[]]), key="lunch.txt")
    api.work()
    shown = show(api, id_)
    assert (shown["state"], shown["version"], shown["serving_version"]) == ("failed", 2, 1)
    assert texts(api.admin) == [LUNCH.strip()]


def test_keys_go_by_position_and_names_fill_the_rest(api: Api) -> None:
    files = [("files", (f"{name}.txt", f"About {name}.")) for name in ("a", "b", "c")]
    response = api.admin.post("/v1/corpora/default/documents", files=files, data={"key": ["first", "second"]})
    assert response.status_code == 202
    listed = api.admin.get("/v1/corpora/default/documents").json()["items"]
    assert {document["name"]: document["key"] for document in listed} == {
        "a.txt": "first", "b.txt": "second", "c.txt": "c.txt",
    }  # fmt: skip


def test_file_name_keeps_its_folder_and_never_leaves_it(api: Api) -> None:
    body, headers = multipart(('name="files"; filename="../../etc/./pass\x01wd.txt"', LUNCH.encode()))
    id_ = item(api.admin.post("/v1/corpora/default/documents", content=body, headers=headers))["id"]
    shown = show(api, id_)
    assert (shown["key"], shown["name"]) == ("etc/passwd.txt", "passwd.txt")


def test_access_is_the_corpus_s_unless_said_otherwise(api: Api) -> None:
    api.corpus("legal", ["lawyers", "partners"])
    inherited = item(api.upload("a.txt", LUNCH, corpus="legal"))["id"]
    given = item(api.upload("b.txt", LATER, corpus="legal", access=["partners", " partners ", "user:ann"]))["id"]
    assert show(api, inherited)["access"] == ["lawyers", "partners"]
    assert show(api, given)["access"] == ["partners", "user:ann"]


def test_fifty_identical_uploads_at_once_are_one_document(api: Api) -> None:
    with served(api.app) as url, ThreadPoolExecutor(50) as pool:

        def send(_: int) -> dict[str, Any]:
            with httpx.Client(base_url=url, headers=api.admin.headers, timeout=60) as client:
                return item(
                    client.post("/v1/corpora/default/documents", files=[("files", ("lunch.txt", LUNCH.encode()))])
                )

        items = list(pool.map(send, range(50)))
    assert len({one["id"] for one in items}) == 1
    assert sorted(one["duplicate"] for one in items) == [False] + [True] * 49
    assert (api.count(Document), api.count(Version), api.count(Indexing)) == (1, 1, 1)
    assert (len(api.files("originals")), api.files("staging")) == (1, [])


def test_deleted_document_is_gone_at_once_and_soon_without_a_trace(api: Api) -> None:
    id_ = api.add("lunch.txt", LUNCH)
    reader = api.person("rita")
    assert texts(reader)
    deleted = api.admin.delete(f"/v1/documents/{id_}")
    assert (deleted.status_code, deleted.json()["state"]) == (202, "deleting")
    for client in (api.admin, reader):
        for part in ("", "/content", "/text", "/chunks", "/events"):
            problem(client.get(f"/v1/documents/{id_}{part}"), 404)
        problem(client.delete(f"/v1/documents/{id_}"), 404)
        problem(client.post(f"/v1/documents/{id_}/retry"), 404)
        assert texts(client) == []
        listed = client.get("/v1/corpora/default/documents").json()
        assert (listed["items"], listed["counts"]) == ([], {})
    fresh = item(api.upload("lunch.txt", LUNCH))
    assert (fresh["duplicate"], fresh["id"] != id_) == (False, True)
    api.work()
    assert texts(reader) == [LUNCH.strip()], "the same bytes, uploaded anew, survive the removal of the old document"
    api.admin.delete(f"/v1/documents/{fresh['id']}")
    api.work()
    assert [api.files(kind) for kind in ("originals", "parsed", "texts", "staging")] == [[], [], [], []]
    assert api.count(Document) == 0


def test_failed_document_can_be_retried_and_a_ready_one_not(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:

        def sealed(*_: Any) -> None:
            raise ParsingFailed("It is sealed.", "Unseal it.")

        patch.setattr(api.worker.sandbox, "parse", sealed)
        id_ = api.add("lunch.txt", LUNCH)
    shown = show(api, id_)
    assert (shown["state"], shown["error"], shown["hint"]) == ("failed", "It is sealed.", "Unseal it.")
    retried = api.admin.post(f"/v1/documents/{id_}/retry")
    assert (retried.status_code, retried.json()["state"], retried.json()["error"]) == (202, "queued", None)
    api.work()
    assert show(api, id_)["state"] == "ready"
    assert "nothing to retry" in problem(api.admin.post(f"/v1/documents/{id_}/retry"), 409)["detail"]


def test_same_file_again_after_a_failure_is_tried_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:

        def crash(*_: Any) -> None:
            raise ParserCrashed("It died.")

        patch.setattr(api.worker.sandbox, "parse", crash)
        patch.setattr("workers.endings.LONGEST_RETRY_S", 0.0)
        id_ = item(api.upload("lunch.txt", LUNCH))["id"]
        for _ in range(api.settings.worker.max_failures):
            api.work()
    assert show(api, id_)["state"] == "quarantined"
    again = item(api.upload("lunch.txt", LUNCH))
    assert (again["id"], again["duplicate"]) == (id_, False)
    api.work()
    assert show(api, id_)["state"] == "ready"


def test_access_that_is_taken_or_given_holds_for_the_next_search(api: Api) -> None:
    id_ = api.add("lunch.txt", LUNCH)
    hanna, saul = api.person("hanna", "hr"), api.person("saul", "sales")
    changed = api.admin.put(f"/v1/documents/{id_}/access", json={"access": ["hr"]})
    assert changed.json() == {"access": ["hr"]}
    assert texts(saul) == [], "before any worker ran"
    problem(saul.get(f"/v1/documents/{id_}"), 404)
    api.work()
    assert texts(hanna) == [LUNCH.strip()]
    api.admin.put(f"/v1/documents/{id_}/access", json={"access": ["user:saul"]})
    api.work()
    assert (texts(hanna), texts(saul)) == ([], [LUNCH.strip()])
    api.admin.put(f"/v1/documents/{id_}/access", json={"access": []})
    assert (texts(hanna), texts(saul), texts(api.admin)) == ([], [], [LUNCH.strip()])


def test_upload_into_a_corpus_that_is_deleted_meanwhile_is_404(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    real = routes._accept_all

    def late(*arguments: Any) -> Any:
        assert api.admin.delete("/v1/corpora/default").status_code == 202
        return real(*arguments)

    monkeypatch.setattr(routes, "_accept_all", late)
    problem(api.upload("lunch.txt", LUNCH), 404)
    assert (api.count(Document), api.files("originals")) == (0, [])
