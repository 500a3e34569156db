"""What only a bucket can do to us: be away, be another's, be full."""

import errno
import json
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

from moat.blobs import Blobs, original_name, text_name
from moat.errors import InvalidRequest, MoatError, NotFound, StorageFull, Unavailable
from moat.folder_blobs import FolderBlobs
from moat.object_blobs import ObjectBlobs, open_blobs
from moat.settings import Settings
from tests.fakes.s3 import environment, s3_bucket, s3_endpoint, set_environment

__all__ = ["s3_bucket", "s3_endpoint"]

NAME = text_name(uuid4())


def seal(blobs: Blobs) -> None:
    with blobs.stage() as staged:
        staged.write(b"something")
        staged.seal()


def fetch(blobs: Blobs) -> None:
    with blobs.local_file(NAME):
        pass


USES: dict[str, Callable[[Blobs], object]] = {
    "check": lambda blobs: blobs.check(),
    "put": lambda blobs: blobs.put(NAME, b"something"),
    "get": lambda blobs: blobs.get(NAME),
    "seal": seal,
    "fetch": fetch,
    "delete": lambda blobs: blobs.delete(NAME),
    "delete_original": lambda blobs: blobs.delete_original("0" * 64),
}


def failures(blobs: Blobs) -> dict[str, MoatError]:
    """Use the blobs in every way, and give what each way said."""
    said = {}
    for name, use in USES.items():
        with pytest.raises(MoatError) as error:
            use(blobs)
        said[name] = error.value
    return said


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, str], None]]:
    """Stand in for an S3 server that answers every call with one error."""
    answer = [0, b""]

    class Refusing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # the client waits for its "100 Continue"

        def answer(self) -> None:
            status, body = answer
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = Thread(target=server.serve_forever)
    thread.start()
    set_environment(monkeypatch, environment(f"http://127.0.0.1:{server.server_port}"))

    def say(status: int, code: str) -> None:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code} it is</Message></Error>"
        answer[:] = status, body.encode()

    yield say
    server.shutdown()
    thread.join()
    server.server_close()


def test_bucket_that_is_not_there_is_unavailable_and_never_a_missing_blob(s3_bucket: str, tmp_path: Path) -> None:
    for name, error in failures(ObjectBlobs("s3://no-such-bucket/prefix", tmp_path / "staging")).items():
        assert isinstance(error, Unavailable), name
        assert "s3://no-such-bucket/prefix" in error.detail
        assert "MOAT_BLOBS" in error.hint
        assert error.retryable


def test_server_that_is_away_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, environment("http://127.0.0.1:9"))
    blobs = ObjectBlobs("s3://bucket", tmp_path / "staging")
    with pytest.raises(Unavailable, match=r"s3://bucket: .*127\.0\.0\.1:9") as error:
        blobs.check()
    assert "AWS_ENDPOINT_URL" in error.value.hint


def test_key_that_is_refused_and_a_full_bucket_are_told_apart(
    tmp_path: Path, answering: Callable[[int, str], None]
) -> None:
    blobs = ObjectBlobs("s3://bucket", tmp_path / "staging")
    answering(403, "AccessDenied")
    for name, error in failures(blobs).items():
        assert isinstance(error, Unavailable), name
        assert "refuses" in error.detail, name
        assert "AWS_ACCESS_KEY_ID" in error.hint
    answering(403, "QuotaExceeded")
    for use in (USES["put"], seal):
        with pytest.raises(StorageFull, match="s3://bucket"):
            use(blobs)
    answering(404, "NoSuchKey")
    with pytest.raises(NotFound):
        blobs.get(NAME)
    answering(400, "SomethingNew")
    with pytest.raises(Unavailable, match="SomethingNew it is"):
        blobs.put(NAME, b"")
    assert list((tmp_path / "staging").iterdir()) == []


def test_full_disk_on_the_way_from_the_bucket_is_said_as_of_a_folder(
    s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = ObjectBlobs(f"s3://{s3_bucket}", tmp_path / "staging")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(blobs._files, "get_file", full)
    with pytest.raises(StorageFull, match="on their way"):
        fetch(blobs)


def test_an_unfinished_upload_of_many_parts_is_taken_back(
    s3_bucket: str, s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = ObjectBlobs(f"s3://{s3_bucket}", tmp_path / "staging")
    real = blobs._files._call_s3

    async def cut(method: str, *args: Any, **options: Any) -> Any:
        if method == "complete_multipart_upload":
            raise OSError(errno.ECONNRESET, "the line is dead")
        return await real(method, *args, **options)

    monkeypatch.setattr(blobs._files, "_call_s3", cut)
    with blobs.stage() as staged:
        for _ in range(17):
            staged.write(bytes(1 << 20))
        with pytest.raises(Unavailable, match="the line is dead"):
            staged.seal()
        name = original_name(staged.sha256)
    with pytest.raises(NotFound), blobs.local_file(name):
        pass
    with urlopen(Request(f"{s3_endpoint}/{s3_bucket}?uploads"), timeout=30) as listing:
        assert b"<Upload>" not in listing.read()


def test_settings_choose_between_a_folder_and_a_bucket(tmp_path: Path) -> None:
    assert isinstance(open_blobs(Settings(home=tmp_path)), FolderBlobs)
    assert isinstance(open_blobs(Settings(home=tmp_path, blobs=str(tmp_path / "elsewhere"))), FolderBlobs)
    assert isinstance(open_blobs(Settings(home=tmp_path, blobs="s3://bucket/prefix/")), ObjectBlobs)
    for wrong in ("s3:///bucket", "s3://", "gs://bucket", "https://example.org/bucket", "s3://user:key@host/bucket"):
        with pytest.raises(InvalidRequest, match=r"blobs: .*s3://BUCKET"):
            Settings.load(home=tmp_path, blobs=wrong)


def test_missing_library_is_told_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"].__dict__["_registry"], "s3", raising=False)
    with pytest.raises(InvalidRequest, match="s3fs is not installed") as error:
        ObjectBlobs("s3://bucket", tmp_path / "staging")
    assert "moat[s3]" in error.value.hint


def test_worker_serves_the_queues_it_is_told_and_no_other_name_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(Settings(home=tmp_path).worker.queues) == {"upkeep", "ingest", "bulk", "reindex"}
    monkeypatch.setenv("MOAT_WORKER__QUEUES", json.dumps(["bulk", "reindex"]))
    assert Settings.load(home=tmp_path).worker.queues == ("bulk", "reindex")
    for wrong in (["bulks"], []):
        monkeypatch.setenv("MOAT_WORKER__QUEUES", json.dumps(wrong))
        with pytest.raises(InvalidRequest, match=r"worker\.queues"):
            Settings.load(home=tmp_path)
