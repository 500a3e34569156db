"""Under a masking policy nothing that is masked is left anywhere, and reindexing goes on without the original."""

import gzip
import logging
from typing import get_args

import pytest
from sqlalchemy import select, text, update

from ingest.pipeline import fingerprint
from moat import jobs
from moat.generations import start_reindex
from moat.pipeline_settings import PipelineSettings, RedactedType
from moat.records import DocumentState
from moat.tables import Corpus, Generation, Indexing, Table, Version
from tests.fakes.canaries import CANARIES, letter
from tests.fakes.workshop import Workshop


def policy(**redaction: object) -> PipelineSettings:
    return PipelineSettings(embedder="words", chunk_tokens=32, redaction=redaction)  # type: ignore[arg-type]


def set_policy(shop: Workshop, settings: PipelineSettings) -> None:
    with shop.database.transaction() as session:
        kept = settings.model_dump(mode="json")
        session.get_one(Corpus, shop.corpus.id).pipeline = kept
        session.execute(update(Generation).values(pipeline=kept))


def reindex(shop: Workshop, settings: PipelineSettings) -> None:
    with shop.database.transaction() as session:
        corpus = session.get_one(Corpus, shop.corpus.id)
        job = start_reindex(session, corpus, settings, fingerprint(settings), "admin")
        jobs.enqueue(session, jobs.ADVANCE_REINDEX, job.id, queue=jobs.UPKEEP)
    shop.deliver()
    assert shop.job(job.id).state == "done"


def blobs(shop: Workshop) -> dict[str, str]:
    return {path: _read(data) for path, data in shop.stored_bytes().items()}


def _read(data: bytes) -> str:
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode(errors="replace")


def rows(shop: Workshop) -> str:
    with shop.database.reading() as session:
        tables = Table.metadata.sorted_tables
        return "\n".join(str(row) for table in tables for row in session.execute(select(text("*")).select_from(table)))


def points(shop: Workshop) -> str:
    client = shop.vectors._client  # the store's own words, not what Moat makes of them
    found = []
    for collection in shop.vectors.collections():
        found += client.scroll(collection, limit=1000, with_payload=True)[0]
    assert found
    return "\n".join(str(point.payload) for point in found)


def leaked(where: str) -> list[str]:
    return [kind for kind, value in CANARIES.items() if value in where]


def test_no_canary_is_left_anywhere_under_mask(shop: Workshop, caplog: pytest.LogCaptureFixture) -> None:
    set_policy(shop, policy(mode="mask"))
    with caplog.at_level(logging.DEBUG):
        document = shop.upload(letter())
        shop.ingest(document)
    assert shop.document(document).state == DocumentState.READY
    assert leaked("\n".join(blobs(shop).values())) == []
    assert leaked(rows(shop)) == []
    assert leaked(points(shop)) == []
    assert leaked("\n".join([caplog.text, *(str(vars(r)) for r in caplog.records)])) == []
    assert "[email]" in points(shop)
    assert not any(name.startswith("originals/") for name in blobs(shop))


def test_there_is_a_canary_of_every_type_that_can_be_masked() -> None:
    assert set(CANARIES) == set(get_args(RedactedType))


def test_no_canary_is_left_in_any_byte_on_the_disk_under_mask(shop: Workshop) -> None:
    set_policy(shop, policy(mode="mask"))
    document = shop.upload(letter())
    shop.ingest(document)
    shop.upload(letter().replace("Paragraph", "Passage"))  # a new version, whose predecessor is tidied
    shop.settle()
    assert shop.document(document).serving_version == 2
    found = {
        f"{path.relative_to(shop.settings.home)}: {kind}"
        for path in shop.settings.home.rglob("*")
        if path.is_file()
        for kind, value in CANARIES.items()
        if value.encode() in path.read_bytes() or value in _read(path.read_bytes())
    }
    assert found == set()


def test_the_report_counts_what_was_masked(shop: Workshop) -> None:
    set_policy(shop, policy(mode="mask"))
    report = shop.ingest(shop.upload(letter(), "zeta.canary@mail.example.org.txt")).report
    assert report is not None
    assert report["redactions"] == dict.fromkeys(CANARIES, 1)
    assert "name seems to hold personal data (email)" in report["warnings"][0]


def test_without_a_policy_everything_is_kept(shop: Workshop) -> None:
    shop.ingest(shop.upload(letter()))
    assert leaked(points(shop)) == list(CANARIES)
    assert any(name.startswith("originals/") for name in blobs(shop))


def test_only_the_types_asked_for_are_masked_and_the_original_can_stay(shop: Workshop) -> None:
    set_policy(shop, policy(mode="mask", types=["email", "secret"], keep_original=True))
    shop.ingest(shop.upload(letter()))
    assert set(leaked(points(shop))) == set(CANARIES) - {"email", "secret"}
    stored = blobs(shop)
    assert leaked(next(value for name, value in stored.items() if name.startswith("originals/"))) == list(CANARIES)
    assert not {"email", "secret"} & set(leaked("".join(v for n, v in stored.items() if not n.startswith("orig"))))


def test_reindexing_goes_on_without_the_original(shop: Workshop) -> None:
    set_policy(shop, policy(mode="mask"))
    document = shop.upload(letter())
    shop.ingest(document)
    parsed = len(shop.sandbox.parsed)
    reindex(shop, policy(mode="mask", types=["email"]))
    reindex(shop, policy())
    assert len(shop.sandbox.parsed) == parsed
    assert shop.document(document).state == DocumentState.READY
    assert shop.points() == shop.rows()
    assert leaked(points(shop)) == []


def test_what_was_masked_never_stands_in_for_what_another_upload_of_the_bytes_gives(shop: Workshop) -> None:
    set_policy(shop, policy(mode="mask"))
    shop.ingest(shop.upload(letter()))
    set_policy(shop, policy())
    again = shop.upload(letter(), "b.txt")
    shop.ingest(again)
    text = str(shop.indexing(again).text)
    assert leaked(blobs(shop)[f"texts/{text[:2]}/{text}"]) == list(CANARIES)


def test_the_original_stays_while_another_document_still_needs_it(shop: Workshop) -> None:
    set_policy(shop, policy(mode="mask"))
    first, second = shop.upload(letter()), shop.upload(letter(), "b.txt")
    shop.ingest(first)
    assert any(name.startswith("originals/") for name in blobs(shop))
    shop.ingest(second)
    assert not any(name.startswith("originals/") for name in blobs(shop))
    assert leaked("\n".join(blobs(shop).values())) == []


def test_a_policy_that_comes_later_holds_once_the_old_generation_is_gone(shop: Workshop) -> None:
    document = shop.upload(letter())
    shop.ingest(document)
    reindex(shop, policy(mode="mask"))
    assert any(name.startswith("originals/") for name in blobs(shop))  # a rollback may still need it
    shop.pass_time(2000)
    shop.sweep()
    assert leaked("\n".join(blobs(shop).values())) == []
    assert leaked(points(shop)) == []


def test_a_crash_after_the_original_went_loses_nothing(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    set_policy(shop, policy(mode="mask"))
    document = shop.upload(letter())
    import workers.conclude as work

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    real = work.drop_unmasked
    monkeypatch.setattr(work, "drop_unmasked", lambda *given: (real(*given), crash()))
    with pytest.raises(KeyboardInterrupt):
        shop.ingest(document)
    monkeypatch.setattr(work, "drop_unmasked", real)
    shop.settle()
    assert shop.document(document).state == DocumentState.READY
    with shop.database.reading() as session:
        assert session.scalars(select(Version.elements)).one() is not None
        assert session.scalars(select(Indexing.report)).one()["redactions"] == dict.fromkeys(CANARIES, 1)
