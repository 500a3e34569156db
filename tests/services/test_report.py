"""What an admin is told of a corpus."""

from typing import Any
from uuid import UUID

from sqlalchemy import update

from moat.tables import Version, utc_now
from tests.fakes.api import Api, problem

LONG = " ".join(f"rule{n % 97} of lamp{n % 89}" for n in range(300))
GERMAN = "Die Urlaubsregelung gilt für alle Beschäftigten des Unternehmens, auch für Teilzeitkräfte in Haus {}."


def report(api: Api, **params: Any) -> Any:
    response = api.admin.get("/v1/corpora/default/report", params=params)
    assert response.status_code == 200, response.text
    return response.json()


def test_an_empty_corpus_has_an_empty_report(api: Api) -> None:
    found = report(api)
    assert (found["documents"], found["languages"], found["warnings"]) == (0, {}, [])
    assert found["size"] == {"chunks": 0, "tokens": 0, "bytes": 0, "embedding_cost_usd": "0"}


def test_exact_and_near_duplicates_are_told_apart(api: Api) -> None:
    first = api.add("a.txt", LONG)
    api.add("copy.txt", LONG, access="hr")
    near = api.add("near.txt", LONG + " And one line more.")
    api.add("other.txt", "Something else altogether is written in this file.")
    found = report(api)
    assert found["exact_duplicates"]["count"] == 1
    assert [item["keys"] for item in found["exact_duplicates"]["items"]] == [["a.txt", "copy.txt"]]
    assert found["near_duplicates"]["count"] == 1
    (pair,) = found["near_duplicates"]["items"]
    assert (pair["document_id"], pair["near_duplicate_of"]) == (near, first)
    assert 0.9 < pair["resemblance"] <= 1


def test_a_document_that_is_changed_or_deleted_is_no_near_duplicate_any_more(api: Api) -> None:
    api.add("a.txt", LONG)
    api.add("b.txt", LONG + " And one line more.")
    api.add("b.txt", "Now it says something else altogether.", key="b.txt")
    assert report(api)["near_duplicates"]["count"] == 0
    gone = api.add("c.txt", "Now it says something else altogether, really.")
    assert report(api)["documents"] == 3
    api.admin.delete(f"/v1/documents/{gone}")
    api.work()
    assert (report(api)["documents"], report(api)["near_duplicates"]["count"]) == (2, 0)


def test_superseded_versions_are_counted(api: Api) -> None:
    for words in ("one", "two", "three"):
        api.add("a.txt", f"It says {words}.", key="a.txt")
    assert report(api)["superseded_versions"] == 2


def test_age_is_the_metadatas_where_it_tells_one(api: Api) -> None:
    api.add("old.txt", "Old words.", metadata='{"date": "2019-05-01"}')
    api.add("new.txt", "New words.", metadata=f'{{"date": "{utc_now().isoformat()}"}}')
    uploaded = api.add("uploaded.txt", "Uploaded words.", metadata='{"date": "some day"}')
    assert [item["key"] for item in report(api)["stale"]["items"]] == ["old.txt"]
    with api.database.transaction() as session:
        long_ago = utc_now().replace(year=2020)
        session.execute(update(Version).where(Version.document_id == UUID(uploaded)).values(created_at=long_ago))
    found = report(api, stale_days=365)["stale"]
    assert (found["count"], found["older_than_days"]) == (2, 365)
    assert [item["key"] for item in found["items"]] == ["old.txt", "uploaded.txt"]
    assert report(api, stale_days=36_000)["stale"]["count"] == 0


def test_what_cannot_be_read_is_listed_with_the_reason(api: Api) -> None:
    api.add("empty.md", "  \n")
    found = report(api)["unreadable"]
    assert found["count"] == 1
    assert found["items"][0]["key"] == "empty.md"
    assert found["items"][0]["reason"]
    assert found["items"][0]["hint"]


def test_an_english_embedder_for_other_languages_is_warned_of(api: Api) -> None:
    for n in range(3):
        api.add(f"{n}.txt", f"The annual leave policy applies to all employees of house {n}, also part time.")
    assert report(api)["warnings"] == []
    api.add("de.txt", GERMAN.format(7))
    found = report(api)
    assert found["languages"] == {"en": 3, "de": 1}
    assert "25% of the documents are not in English" in found["warnings"][0]
    assert "pipeline.embedder" in found["warnings"][0]


def test_lists_are_as_long_as_asked_and_counts_whole(api: Api) -> None:
    for n in range(3):
        api.add(f"{n}.txt", "  ")
    found = report(api, limit=1)["unreadable"]
    assert (found["count"], len(found["items"])) == (3, 1)


def test_the_report_is_for_admins_of_that_corpus(api: Api) -> None:
    problem(api.person("ann").get("/v1/corpora/default/report"), 403)
    problem(api.admin.get("/v1/corpora/nothing/report"), 404)
