"""Documents read back: originals, text, chunks, pages, progress and lists."""

from typing import Any

import httpx
import pytest

from moat.errors import Unavailable
from tests.fakes import documents
from tests.fakes.api import Api, events
from tests.fakes.served import served

LUNCH = "Lunch is served at noon in the canteen.\n"


def queued(api: Api, name: str, content: str) -> str:
    """Upload a file that no worker has seen yet."""
    response = api.upload(name, content)
    assert response.status_code == 202, response.text
    return str(response.json()["items"][0]["id"])


def test_original_comes_back_and_cannot_run_as_a_page(api: Api) -> None:
    page = "<html><body><script>alert(1)</script><p>Lunch is at noon.</p></body></html>"
    id_ = api.add('lu"nch ü.html', page)
    response = api.admin.get(f"/v1/documents/{id_}/content")
    assert response.text == page
    assert response.headers["content-type"].startswith("text/html")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert response.headers["content-disposition"].startswith("attachment")


def test_chunks_quote_the_text_at_their_spans_page_by_page(api: Api) -> None:
    lines = [f"Paragraph {n} says that room {n * 7} holds {n + 3} people and a lamp — naïve 😀." for n in range(120)]
    id_ = api.add("rooms.md", "# Rooms\n\n" + "\n\n".join(lines))
    text = api.admin.get(f"/v1/documents/{id_}/text").json()["text"]
    whole = api.admin.get(f"/v1/documents/{id_}/chunks", params={"limit": 500}).json()
    assert whole["next_cursor"] is None
    assert len(whole["items"]) == api.admin.get(f"/v1/documents/{id_}").json()["chunks"] > 3
    for chunk in whole["items"]:
        start, end = chunk["span"]
        assert text[start:end] == chunk["text"]
    paged, cursor = [], "0"
    while cursor is not None:
        page = api.admin.get(f"/v1/documents/{id_}/chunks", params={"limit": 2, "cursor": cursor}).json()
        paged += page["items"]
        cursor = page["next_cursor"]
    assert paged == whole["items"]
    for passage in api.admin.post("/v1/search", json={"question": "Which room holds people?"}).json()["passages"]:
        start, end = passage["span"]
        assert text[start:end] == passage["text"]


def test_pages_of_a_pdf_are_mapped(api: Api) -> None:
    id_ = api.add("two.pdf", documents.pdf([[("Lunch is at noon.", 12)], [("Dinner is at seven.", 12)]]))
    body = api.admin.get(f"/v1/documents/{id_}/text").json()
    assert [page["page"] for page in body["page_map"]] == [1, 2]
    second = body["page_map"][1]
    assert "Dinner" in body["text"][second["start"] : second["end"]]
    assert api.admin.get(f"/v1/documents/{id_}").json()["pages"] == 2


def test_a_passage_names_every_page_that_it_stands_on(api: Api) -> None:
    api.add("two.pdf", documents.pdf([[("Lunch is at noon.", 12)], [("Dinner is at seven.", 12)]]))
    found = api.admin.post("/v1/search", json={"question": "When is dinner?"}).json()["passages"]
    assert [(passage["page"], passage["pages"]) for passage in found] == [(1, [1, 2])]
    api.add("lunch.txt", LUNCH)
    found = api.admin.post("/v1/search", json={"question": "When is lunch?"}).json()["passages"]
    assert {passage["key"]: passage["pages"] for passage in found} == {"two.pdf": [1, 2], "lunch.txt": []}


def test_events_tell_the_progress_and_end_when_it_is_settled(api: Api) -> None:
    id_ = queued(api, "lunch.txt", LUNCH)
    with (
        served(api.app) as url,
        httpx.Client(base_url=url, headers=api.admin.headers, timeout=20) as client,
        client.stream("GET", f"/v1/documents/{id_}/events") as response,
    ):
        lines = response.iter_lines()
        told = [next(lines), next(lines), next(lines)]
        api.work()
        told += list(lines)
    said = events("\n".join(told))
    assert [name for name, _ in said] == ["progress"] * len(said)
    assert [said[0][1]["state"], said[-1][1]["state"]] == ["queued", "ready"]


def test_events_of_a_document_that_is_deleted_meanwhile_end_with_that(api: Api) -> None:
    id_ = queued(api, "lunch.txt", LUNCH)
    with (
        served(api.app) as url,
        httpx.Client(base_url=url, headers=api.admin.headers, timeout=20) as client,
        client.stream("GET", f"/v1/documents/{id_}/events") as response,
    ):
        lines = response.iter_lines()
        told = [next(lines), next(lines), next(lines)]
        api.admin.delete(f"/v1/documents/{id_}")
        told += list(lines)
    assert events("\n".join(told))[-1] == ("deleted", {"id": id_})


def test_events_say_when_the_catalog_goes_away(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = queued(api, "lunch.txt", LUNCH)
    with (
        served(api.app) as url,
        httpx.Client(base_url=url, headers=api.admin.headers, timeout=20) as client,
        client.stream("GET", f"/v1/documents/{id_}/events") as response,
    ):
        lines = response.iter_lines()
        told = [next(lines), next(lines), next(lines)]

        def away(*_: Any) -> None:
            raise Unavailable("The catalog does not answer.")

        monkeypatch.setattr("services.upload.documents.document_shape", away)
        told += list(lines)
    name, body = events("\n".join(told))[-1]
    assert (name, body["status"]) == ("error", 503)


def test_list_goes_through_every_document_once_while_others_come_and_go(api: Api) -> None:
    for n in range(7):
        queued(api, f"{n}.txt", f"Text {n}.")
    seen, cursor, pages = [], None, 0
    while True:
        parameters = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = api.admin.get("/v1/corpora/default/documents", params=parameters).json()
        seen += [document["key"] for document in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1
        if cursor is None:
            break
        queued(api, f"new{pages}.txt", f"New {pages}.")
    assert seen == [f"{n}.txt" for n in reversed(range(7))]
    assert pages == 3


def test_list_can_be_narrowed_to_a_state_or_key_and_counts_all(api: Api) -> None:
    api.add("a.txt", "About a.")
    queued(api, "b.txt", "About b.")
    listed = api.admin.get("/v1/corpora/default/documents", params={"state": "queued"}).json()
    assert [document["key"] for document in listed["items"]] == ["b.txt"]
    assert listed["counts"] == {"queued": 1, "ready": 1}
    by_key = api.admin.get("/v1/corpora/default/documents", params={"key": "a.txt"}).json()
    assert [document["key"] for document in by_key["items"]] == ["a.txt"]
