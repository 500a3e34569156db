"""Embedding by a provider: charged to document, corpus and uploader, within budgets, and to no place it may not go."""

import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from moat.budgets import Wish, set_budget
from moat.costs import GROUPS, costs
from moat.llm.prices import CEILING_FACTOR
from moat.llm.tokens import count_tokens
from moat.tables import CallRow
from tests.fakes.api import Api, problem
from tests.fakes.model_server import model_server
from tests.fakes.models import rows
from tests.fakes.paid_embedder import EMBED, MODELS, RANK, SEARCH_USD, WORD_USD, Billing
from tests.fakes.spending import ADMIN

NOTE = "The {} is moored at the {} pier. Its papers are kept in the harbour office.\n"


@pytest.fixture
def provider() -> Iterator[tuple[Billing, str]]:
    billing = Billing()
    with model_server(billing) as server:
        yield billing, server.url


def installed(folder: Path, url: str, **more: Any) -> Api:
    server = {"base_url": url, "api_key": "sk-secret", "max_retries": 0, "kind": "openai_like"}
    api = Api(folder, providers={"fake": server}, models=MODELS, **more)
    made = api.admin.post("/v1/corpora", json={"name": "harbour", "access": ["staff"], "pipeline": {"embedder": EMBED}})
    assert made.status_code == 201, made.text
    return api


def upload(api: Api, who: TestClient, name: str, text: str = "") -> str:
    said = text or NOTE.format(name, "northern")
    return api.add(f"{name}.txt", said, client=who, corpus="harbour", access="staff")


def document(api: Api, id_: str) -> dict[str, Any]:
    return dict(api.admin.get(f"/v1/documents/{id_}").json())


def calls(api: Api) -> list[CallRow]:
    return sorted(rows(api, CallRow), key=lambda call: call.opened_at)


def sums_agree(api: Api) -> None:
    """Whatever costs are grouped by, the groups add up to the ledger."""
    total = sum(call.cost_usd for call in calls(api))
    with api.database.reading() as session:
        for group in GROUPS:
            lines = costs(session, ADMIN, group_by=(group,))
            assert sum(line.cost_usd for line in lines) == total > 0, group
            assert sum(line.calls for line in lines) == len(calls(api)), group


def test_each_documents_embedding_is_charged_to_it_its_corpus_and_who_uploaded_it(
    tmp_path: Path, provider: tuple[Billing, str]
) -> None:
    billing, url = provider
    api = installed(tmp_path, url)
    people = {name: api.person(name, "staff") for name in ("ann", "bob")}
    of = {upload(api, people["ann"], name): "ann" for name in ("aurora", "borealis")}
    of[upload(api, people["bob"], "cygnus")] = "bob"
    made = calls(api)
    assert {(str(call.document_id), call.user) for call in made} == set(of.items())
    assert {(tuple(call.corpora), tuple(call.groups), call.kind) for call in made} == {
        (("harbour",), ("staff",), "embedding")
    }
    assert all(call.key_id and call.answer_id is None and call.status == "ok" for call in made)
    assert sum(call.cost_usd for call in made) == billing.billed_words * WORD_USD
    assert {document(api, id_)["state"] for id_ in of} == {"ready"}
    for call in made:
        assert Decimal(document(api, str(call.document_id))["cost_usd"]) == call.cost_usd
        assert people["ann"].get(f"/v1/documents/{call.document_id}").json()["cost_usd"] is None
    sums_agree(api)
    api.close()


def test_a_question_is_embedded_once_and_charged_to_its_answer(tmp_path: Path, provider: tuple[Billing, str]) -> None:
    billing, url = provider
    api = installed(tmp_path, url)
    ann = api.person("ann", "staff")
    upload(api, ann, "aurora")
    before = len(billing.texts)
    question = "Where is the aurora moored?"
    planned = ann.post("/v1/answers", json={"question": question, "dry_run": True})
    assert planned.status_code == 200, planned.text
    assert len(billing.texts) == before, "a dry run asks nobody"
    told = planned.json()
    assert (told["minimum_usd"], Decimal(told["expected_usd"])) == ("0", count_tokens(question) * WORD_USD)
    assert Decimal(told["ceiling_usd"]) == math.ceil(count_tokens(question) * CEILING_FACTOR) * WORD_USD
    assert f"embedding the question by {EMBED}" in told["why"]
    answered = ann.post("/v1/answers", json={"question": question}).json()
    assert "northern" in answered["answer"], answered
    assert billing.texts[before:] == [question]
    (call,) = answered["cost"]["calls"]
    assert (call["kind"], call["model"], Decimal(call["cost_usd"])) == ("embedding", "embed", 5 * WORD_USD)
    assert Decimal(answered["cost"]["total_usd"]) == 5 * WORD_USD
    found = ann.post("/v1/search", json={"question": "aurora pier"})
    assert found.json()["passages"]
    assert calls(api)[-1].answer_id is None
    assert calls(api)[-1].cost_usd == 2 * WORD_USD
    assert sum(c.cost_usd for c in calls(api)) == billing.billed_words * WORD_USD
    too_dear = ann.post("/v1/answers", json={"question": question, "max_cost_usd": "0.0000001"}).json()
    assert "degraded" in too_dear["flags"], "found by words alone, at no cost"
    assert too_dear["cost"]["calls"] == []
    api.close()


def test_plans_and_reports_say_what_embedding_costs(tmp_path: Path, provider: tuple[Billing, str]) -> None:
    _, url = provider
    api = installed(tmp_path, url)
    upload(api, api.person("ann", "staff"), "aurora")
    planned = api.admin.post("/v1/corpora/harbour/reindex", json={"dry_run": True}).json()
    report = api.admin.get("/v1/corpora/harbour/report").json()
    assert Decimal(planned["cost_usd"]) == planned["tokens"] * WORD_USD > 0
    assert report["size"]["embedding_cost_usd"] == planned["cost_usd"]
    free = {"dry_run": True, "embedder": "all-MiniLM-L6-v2"}
    assert api.admin.post("/v1/corpora/harbour/reindex", json=free).json()["cost_usd"] == "0"
    api.close()


@pytest.mark.parametrize("scope", ["deployment", "corpus", "key", "user", "group"])
def test_a_document_that_no_budget_has_room_for_says_so_and_is_tried_again(
    tmp_path: Path, provider: tuple[Billing, str], scope: str
) -> None:
    billing, url = provider
    api = installed(tmp_path, url)
    ann = api.person("ann", "staff")
    upload(api, ann, "aurora")
    key_id = str(calls(api)[0].key_id)
    subject = {"deployment": "", "corpus": "harbour", "key": key_id, "user": "ann", "group": "staff"}[scope]

    def limit(usd: str) -> None:
        with api.database.transaction() as session:
            set_budget(api.database, session, ADMIN, Wish(scope, subject, "month", Decimal(usd)))

    limit("0.0021")
    asked = len(billing.batches)
    id_ = upload(api, ann, "borealis")
    refused = document(api, id_)
    assert (refused["state"], len(billing.batches)) == ("failed", asked)
    assert "this call may cost up to $" in refused["error"]
    assert "It renews on" in refused["hint"]
    limit("1")
    assert api.admin.post(f"/v1/documents/{id_}/retry").status_code in (200, 202)
    api.work()
    assert document(api, id_)["state"] == "ready"
    assert sum(call.cost_usd for call in calls(api)) == billing.billed_words * WORD_USD
    api.close()


def test_text_that_may_not_leave_is_not_sent_to_be_embedded(tmp_path: Path, provider: tuple[Billing, str]) -> None:
    billing, url = provider
    api = installed(tmp_path, url)
    ann = api.person("ann", "staff")
    upload(api, ann, "aurora")
    assert api.admin.patch("/v1/corpora/harbour", json={"reach": ["local only"]}).status_code == 200
    asked = len(billing.batches)
    id_ = upload(api, ann, "borealis")
    assert "may not reach fake" in document(api, id_)["error"]
    answered = ann.post("/v1/answers", json={"question": "Where is the aurora moored?"}).json()
    assert "northern" in answered["answer"], "what is indexed is found by its words"
    assert "degraded" in answered["flags"]
    assert len(billing.batches) == asked
    api.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "chat"}, "is no embedding model"),
        ({"dimension": None}, "How long the vectors"),
        ({"input_usd_per_million": None}, "is not known, so it is not called"),
    ],
)
def test_a_corpus_takes_no_embedder_that_could_not_be_called(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    api = Api(tmp_path, providers={"fake": {"base_url": "http://127.0.0.1:9"}}, models={EMBED: MODELS[EMBED] | change})
    made = api.admin.post("/v1/corpora", json={"name": "harbour", "access": [], "pipeline": {"embedder": EMBED}})
    assert said in problem(made, 422)["detail"]
    api.close()


def test_vectors_of_another_length_than_promised_are_refused_with_the_setting(
    tmp_path: Path, provider: tuple[Billing, str]
) -> None:
    _, url = provider
    models = {EMBED: MODELS[EMBED] | {"dimension": 32}}
    api = Api(tmp_path, providers={"fake": {"base_url": url, "kind": "openai_like"}}, models=models)
    api.admin.post("/v1/corpora", json={"name": "harbour", "access": ["staff"], "pipeline": {"embedder": EMBED}})
    said = document(api, upload(api, api.person("ann", "staff"), "aurora"))
    assert "64" in said["error"]
    assert "models.fake/embed.dimension" in said["hint"]
    api.close()


def test_a_rerankers_search_is_charged_to_the_answer(tmp_path: Path, provider: tuple[Billing, str]) -> None:
    billing, url = provider
    api = installed(tmp_path, url, answering={"reranker": RANK})
    ann = api.person("ann", "staff")
    for name in ("aurora", "borealis", "cygnus"):
        upload(api, ann, name)
    api.rerank()
    question = "Which vessel is moored at the pier?"
    planned = ann.post("/v1/answers", json={"question": question, "dry_run": True}).json()
    assert Decimal(planned["expected_usd"]) == count_tokens(question) * WORD_USD + SEARCH_USD
    assert (billing.searches, f"reranking by {RANK}" in planned["why"]) == (0, True)
    answered = ann.post("/v1/answers", json={"question": question}).json()
    assert Decimal(answered["cost"]["total_usd"]) <= Decimal(planned["ceiling_usd"])
    kinds = {call["kind"]: Decimal(call["cost_usd"]) for call in answered["cost"]["calls"]}
    assert kinds == {"embedding": 7 * WORD_USD, "rerank": SEARCH_USD}
    sums_agree(api)
    found = ann.post("/v1/search", json={"question": "vessel pier", "explain": True}).json()
    assert found["passages"][0]["arms"]["rerank"]["rank"] == 1
    assert billing.searches == 2
    api.close()


def test_a_rerankers_search_over_the_budget_or_not_allowed_is_left_out_with_a_mark(
    tmp_path: Path, provider: tuple[Billing, str]
) -> None:
    billing, url = provider
    api = installed(tmp_path, url, answering={"reranker": RANK})
    ann = api.person("ann", "staff")
    upload(api, ann, "aurora")
    upload(api, ann, "borealis")
    api.rerank()
    with api.database.transaction() as session:
        spent = sum(call.cost_usd for call in calls(api))
        set_budget(api.database, session, ADMIN, Wish("user", "ann", "month", spent + 20 * WORD_USD))
    found = ann.post("/v1/search", json={"question": "vessel pier", "explain": True}).json()
    assert found["skipped"] == {"rerank": "over budget"}
    api.admin.patch("/v1/corpora/harbour", json={"reach": ["local only"]})
    found = ann.post("/v1/search", json={"question": "vessel pier", "explain": True}).json()
    assert found["skipped"]["rerank"] == "not allowed"
    assert billing.searches == 0
    api.close()
