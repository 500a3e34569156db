"""The API over a bucket: what is uploaded is indexed, read, downloaded in parts, and gone when it is deleted."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import anyio
import httpx
import pytest
from starlette.types import Message

from cli import live_checks
from cli.doctor import CHECKS, examine
from moat.settings import Settings
from services.upload.content import BlobResponse
from tests.fakes.api import Api, problem
from tests.fakes.s3 import s3_bucket, s3_endpoint
from tests.fakes.served import served

__all__ = ["s3_bucket", "s3_endpoint"]

LUNCH = b"Lunch is served at noon in the canteen.\n" * 40


@pytest.fixture
def api(tmp_path: Path, s3_bucket: str) -> Iterator[Api]:
    made = Api(tmp_path, blobs=f"s3://{s3_bucket}/moat")
    yield made
    made.close()


def test_a_document_lives_in_the_bucket_alone_and_leaves_nothing_there(
    api: Api, s3_endpoint: str, s3_bucket: str
) -> None:
    def kept() -> int:
        with urlopen(f"{s3_endpoint}/{s3_bucket}?list-type=2", timeout=30) as listing:
            return int(listing.read().count(b"<Key>moat/"))

    first = api.add("lunch.txt", LUNCH)
    second = api.add("copy.txt", LUNCH)
    assert kept() == 4  # the original, its elements, its text and its vectors, once for both
    assert not (api.settings.home_folder / "blobs").exists()
    staging = api.settings.home_folder / "staging"
    with served(api.app) as url:
        place = f"{url}/v1/documents/{first}/content"
        whole = httpx.get(place, headers=api.admin.headers)
        part = httpx.get(place, headers={**api.admin.headers, "Range": "bytes=6-8"})
    assert (whole.status_code, whole.content) == (200, LUNCH)
    assert (part.status_code, part.content) == (206, b"is ")
    assert list(staging.iterdir()) == []
    assert "Lunch" in api.admin.get(f"/v1/documents/{first}/text").json()["text"]
    for document in (first, second):
        assert api.admin.delete(f"/v1/documents/{document}").status_code == 202
        api.work()
    assert kept() == 0


def test_what_was_fetched_for_a_reader_goes_with_a_reader_who_leaves_in_the_middle(tmp_path: Path) -> None:
    fetched = tmp_path / "fetched"

    @contextmanager
    def blob() -> Iterator[Path]:
        fetched.write_bytes(LUNCH)
        try:
            yield fetched
        finally:
            fetched.unlink()

    async def gone(message: Message) -> None:
        raise OSError("the reader left")

    async def send() -> None:
        response = BlobResponse(blob(), media_type="text/plain")
        assert fetched.exists()
        with pytest.raises(OSError, match="left"):
            await response({"type": "http", "method": "GET", "headers": []}, anyio.sleep_forever, gone)

    anyio.run(send)
    assert not fetched.exists()


def test_a_bucket_that_cannot_be_reached_is_named_with_what_to_mend(tmp_path: Path, s3_bucket: str) -> None:
    lost = Api(tmp_path, blobs="s3://lost-bucket/moat")
    refused = problem(lost.upload("lunch.txt", LUNCH), 503)
    assert refused["detail"] == "The bucket of the blobs cannot be used."  # its name is for operators
    assert "MOAT_BLOBS" in refused["hint"]
    ready = lost.admin.get("/health/ready")
    assert ready.status_code == 503
    assert "s3://lost-bucket/moat" in ready.json()["parts"]["blobs"]["detail"]
    assert "AWS_ENDPOINT_URL" in ready.json()["parts"]["blobs"]["hint"]
    lost.close()


def test_the_doctor_tells_a_bucket_that_works_from_one_that_does_not(
    tmp_path: Path, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (works,) = live_checks.blobs(Settings(home=tmp_path, blobs=f"s3://{s3_bucket}"))
    assert (works.level, works.detail) == ("ok", f"s3://{s3_bucket}")
    (memory,) = live_checks.blobs(Settings(home=tmp_path, blobs="memory://x"))
    assert memory.level == "broken"
    monkeypatch.setenv("MOAT_BLOBS", "s3://lost-bucket/moat")
    findings, _ = examine(tmp_path, {"Blobs": CHECKS["Blobs"]})
    assert [finding.level for finding in findings] == ["broken"]
    assert findings[0].detail == (
        "The bucket of the blobs cannot be used: s3://lost-bucket/moat: The specified bucket does not exist"
    )
    assert "MOAT_BLOBS" in findings[0].next_step
