"""Corpora and their reindexing, as admins see them."""

from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import update

from moat.tables import Generation, Job, Outbox, utc_now
from tests.fakes.api import Api, events, problem
from tests.fakes.served import served


def test_corpus_is_made_shown_renamed_and_opened(api: Api) -> None:
    made = api.admin.post(
        "/v1/corpora", json={"name": "Legal 2026", "access": ["lawyers"], "pipeline": {"chunk_tokens": 128}}
    )
    assert made.status_code == 201
    corpus = made.json()
    assert (corpus["access"], corpus["documents"], corpus["chunks"], corpus["counts"]) == (["lawyers"], 0, 0, {})
    assert (corpus["pipeline"]["embedder"], corpus["pipeline"]["chunk_tokens"]) == ("all-MiniLM-L6-v2", 128)
    for name in ("Legal 2026", corpus["id"]):
        assert api.admin.get(f"/v1/corpora/{name}").json() == corpus
    lawyer, other = api.person("lea", "lawyers"), api.person("otto")
    assert lawyer.get("/v1/corpora/Legal 2026").status_code == 200
    problem(other.get("/v1/corpora/Legal 2026"), 404)
    changed = api.admin.patch(f"/v1/corpora/{corpus['id']}", json={"name": "Law", "access": ["everyone"]}).json()
    assert (changed["name"], changed["access"], changed["id"]) == ("Law", ["everyone"], corpus["id"])
    assert other.get("/v1/corpora/Law").status_code == 200
    problem(api.admin.get("/v1/corpora/Legal 2026"), 404)
    assert [c["name"] for c in other.get("/v1/corpora").json()["items"]] == ["Law", "default"]


def test_admins_say_where_a_corpus_text_may_go(api: Api) -> None:
    api.corpus("other")
    assert api.admin.get("/v1/corpora/other").json()["reach"] is None
    changed = api.admin.patch("/v1/corpora/other", json={"reach": ["openai", "*@eu"]}).json()
    assert changed["reach"] == api.admin.get("/v1/corpora/other").json()["reach"] == ["openai", "*@eu"]
    assert api.admin.patch("/v1/corpora/other", json={"name": "other"}).json()["reach"] == ["openai", "*@eu"]
    assert api.admin.patch("/v1/corpora/other", json={"reach": []}).json()["reach"] is None
    problem(api.admin.patch("/v1/corpora/other", json={"reach": ["local only", "openai"]}), 422)
    made = api.admin.post("/v1/corpora", json={"name": "home", "reach": ["local only"]}).json()
    assert made["reach"] == ["local only"]


def test_name_is_taken_once(api: Api) -> None:
    problem(api.admin.post("/v1/corpora", json={"name": "default"}), 409)
    api.corpus("other")
    problem(api.admin.patch("/v1/corpora/other", json={"name": "default"}), 409)
    assert api.admin.patch("/v1/corpora/other", json={"name": "other"}).status_code == 200


def test_new_corpus_is_for_admins_alone_unless_said_otherwise(api: Api) -> None:
    api.admin.post("/v1/corpora", json={"name": "new"})
    problem(api.person("ann", "hr").get("/v1/corpora/new"), 404)


def test_deleted_corpus_is_gone_at_once_with_its_documents_and_its_name_is_free(api: Api) -> None:
    api.corpus("old")
    id_ = api.add("lunch.txt", "Lunch is at noon.", corpus="old")
    corpus_id = api.corpus_id("old")
    deleted = api.admin.delete("/v1/corpora/old")
    assert (deleted.status_code, deleted.json()["name"]) == (202, "old")
    for name in ("old", str(corpus_id)):
        problem(api.admin.get(f"/v1/corpora/{name}"), 404)
    problem(api.admin.get(f"/v1/documents/{id_}"), 404)
    assert api.admin.post("/v1/search", json={"question": "When is lunch?"}).json()["passages"] == []
    assert api.admin.post("/v1/corpora", json={"name": "old"}).json()["id"] != str(corpus_id)
    api.work()
    assert api.files("originals") == api.files("texts") == []
    problem(api.admin.delete(f"/v1/corpora/{corpus_id}"), 404)


def test_dry_run_says_what_a_reindex_takes_and_starts_nothing(api: Api) -> None:
    api.add("a.txt", "Lunch is at noon.")
    api.add("b.txt", "Dinner is at seven.")
    plan = api.admin.post("/v1/corpora/default/reindex", json={"dry_run": True, "chunk_tokens": 64})
    assert plan.status_code == 200
    body = plan.json()
    assert set(body) == {"documents", "tokens", "cost_usd", "ceiling_usd", "why", "minutes", "pipeline"}
    assert (body["documents"], body["cost_usd"], body["ceiling_usd"]) == (2, "0", "0")
    assert body["tokens"] > 0
    assert (body["pipeline"]["embedder"], body["pipeline"]["chunk_tokens"]) == ("all-MiniLM-L6-v2", 64)
    assert api.count(Job) == 0


def test_reindex_is_a_job_that_can_be_watched_and_cancelled(api: Api) -> None:
    api.add("a.txt", "Lunch is at noon.")
    started = api.admin.post("/v1/corpora/default/reindex", json={})
    assert started.status_code == 202
    job = started.json()
    assert (job["state"], job["kind"], job["corpus"], job["documents"], job["done"]) == (
        "running", "reindex", "default", 1, 0,
    )  # fmt: skip
    problem(api.admin.post("/v1/corpora/default/reindex", json={}), 409)
    with (
        served(api.app) as url,
        httpx.Client(base_url=url, headers=api.admin.headers, timeout=20) as client,
        client.stream("GET", f"/v1/jobs/{job['id']}/events") as response,
    ):
        lines = response.iter_lines()
        told = [next(lines), next(lines), next(lines)]
        cancelled = api.admin.post(f"/v1/jobs/{job['id']}/cancel").json()
        told += list(lines)
    assert (cancelled["state"], cancelled["finished_at"] is None) == ("cancelled", False)
    assert [data["state"] for _, data in events("\n".join(told))] == ["running", "cancelled"]
    problem(api.admin.post(f"/v1/jobs/{job['id']}/cancel"), 409)
    assert api.admin.post("/v1/search", json={"question": "When is lunch?"}).json()["passages"]


def test_upload_during_a_reindex_reaches_both_generations(api: Api) -> None:
    api.admin.post("/v1/corpora/default/reindex", json={})
    id_ = api.add("a.txt", "Lunch is at noon.")
    assert api.admin.get(f"/v1/documents/{id_}").json()["state"] == "ready"
    with api.database.reading() as session:
        built = {g.state: g.dimension for g in session.query(Generation)}
    assert set(built) == {"serving", "building"}
    assert None not in built.values()


def test_jobs_of_an_unknown_corpus_or_id_are_404(api: Api) -> None:
    problem(api.admin.post("/v1/corpora/nowhere/reindex", json={}), 404)
    for call in ("", "/events"):
        problem(api.admin.get(f"/v1/jobs/{uuid4()}{call}"), 404)
    problem(api.admin.post(f"/v1/jobs/{uuid4()}/cancel"), 404)


def test_finished_job_says_so(api: Api) -> None:
    job: dict[str, Any] = api.admin.post("/v1/corpora/default/reindex", json={}).json()
    with api.database.transaction() as session:
        session.execute(update(Job).values(state="done", finished_at=utc_now()))
    shown = api.admin.get(f"/v1/jobs/{job['id']}").json()
    assert (shown["state"], shown["progress"]) == ("done", 1.0)
    assert api.count(Outbox) == 0, "the task was published"
