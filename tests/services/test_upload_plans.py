"""What an upload or a reindex would take, before anything is kept or paid."""

from decimal import Decimal
from pathlib import Path

from moat.embedding_price import embedding_price
from moat.settings import Settings
from moat.tables import Corpus, Document, Indexing
from tests.fakes.api import Api, problem

NOTE = "Lunch is served at noon in the canteen, and the menu of the day hangs at the door of the kitchen.\n"
PAID = {
    "providers": {"fake": {"base_url": "http://127.0.0.1:9/v1"}},
    "models": {"fake/embed": {"kind": "embedding", "input_usd_per_million": "0.02"}},
}


def test_dry_run_of_an_upload_keeps_nothing_and_says_what_it_would_take(api: Api) -> None:
    response = api.upload("note.txt", NOTE, dry_run="true")
    assert response.status_code == 200, response.text
    plan = response.json()
    (item,) = plan["items"]
    assert (item["filename"], item["media_type"], item["bytes"]) == ("note.txt", "text/plain", len(NOTE))
    assert item["tokens"] == plan["tokens"] == round(len(NOTE) / 4)
    assert "too few" in item["why"]
    assert (plan["expected_usd"], plan["ceiling_usd"]) == ("0", "0")
    assert "nothing to pay" in plan["why"]
    assert (api.count(Document), api.count(Indexing)) == (0, 0)
    assert api.files("originals") == api.files("staging") == []


def test_tokens_are_foreseen_by_documents_of_the_type_that_the_uploader_may_read(api: Api) -> None:
    words = "word " * 50
    for number in range(3):
        api.add(f"{number}.txt", words + str(number), access="staff")
    seen = api.upload("new.txt", words, client=api.person("ann", "staff"), dry_run="true").json()["items"][0]
    assert "3 documents of this type" in seen["why"]
    assert seen["tokens"] not in (0, round(len(words) / 4))
    unseen = api.upload("new.txt", words, client=api.person("bob"), dry_run="true").json()["items"][0]
    assert unseen["tokens"] == round(len(words) / 4), "others' documents tell nothing"


def test_dry_run_names_what_would_be_refused(api: Api) -> None:
    plan = api.upload("a.bin", b"\x00\x01\x02\x03" * 50, dry_run="true").json()
    assert plan["items"][0]["problem"]["status"] == 415
    problem(api.upload("note.txt", NOTE, dry_run="perhaps"), 422)
    problem(api.upload("note.txt", NOTE, dry_run="true", access=" "), 422)


def test_provider_s_embedder_has_its_price_in_plans(tmp_path: Path) -> None:
    api = Api(tmp_path, **PAID)
    api.add("note.txt", NOTE)
    with api.database.transaction() as session:
        corpus = session.query(Corpus).one()
        corpus.pipeline = corpus.pipeline | {"embedder": "fake/embed"}
    plan = api.upload("big.txt", NOTE * 100, dry_run="true").json()
    tokens = plan["tokens"]
    assert Decimal(plan["expected_usd"]) == tokens * Decimal("0.02") / 1_000_000
    assert Decimal(plan["ceiling_usd"]) == -(-tokens * 135 // 100) * Decimal("0.02") / 1_000_000
    api.close()


def test_reindex_says_dollars_and_why(api: Api) -> None:
    api.add("note.txt", NOTE)
    plan = api.admin.post("/v1/corpora/default/reindex", json={"dry_run": True}).json()
    assert (plan["cost_usd"], plan["ceiling_usd"]) == ("0", "0")
    assert "nothing to pay" in plan["why"]
    priced = embedding_price("fake/embed", 1_000_000, Settings(home=api.settings.home, **PAID))
    assert (priced.expected_usd, priced.ceiling_usd) == (Decimal("0.02"), Decimal("0.027"))
