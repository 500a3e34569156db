"""What an upload that cannot be taken is told, and that nothing of it stays."""

import errno
import io
import json
import os
import shutil
import socket
import struct
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from moat.blobs import Staged
from moat.errors import StorageFull
from moat.tables import Document, Indexing, Outbox, Version
from tests.fakes import documents
from tests.fakes.api import Api, multipart, problem
from tests.fakes.served import served

GOOD = b"Travel must be booked two weeks ahead.\n"
ROUTE = "/v1/corpora/default/documents"


def nothing_kept(api: Api) -> None:
    assert [api.count(table) for table in (Document, Version, Indexing, Outbox)] == [0, 0, 0, 0]
    assert api.files("staging") == []
    assert api.files("originals") == []
    assert api.client().get("/health/live").status_code == 200


def test_empty_file_is_refused_with_a_hint(api: Api) -> None:
    told = problem(api.upload("notes.txt", b""), 422)
    assert "'notes.txt' is empty" in told["detail"]
    assert told["hint"]
    assert told["items"][0]["problem"]["status"] == 422
    nothing_kept(api)


def test_file_without_text_fails_with_a_hint_and_can_be_removed(api: Api) -> None:
    id_ = api.add("scan.pdf", documents.pdf([[]]))
    shown = api.admin.get(f"/v1/documents/{id_}").json()
    assert (shown["state"], shown["chunks"], shown["serving_version"]) == ("failed", 0, None)
    assert shown["error"]
    assert shown["hint"]
    problem(api.admin.get(f"/v1/documents/{id_}/text"), 404)
    assert api.admin.delete(f"/v1/documents/{id_}").status_code == 202
    api.work()
    assert api.files("originals") == []


def test_content_decides_not_the_extension(api: Api) -> None:
    id_ = api.add("really-a-pdf.txt", documents.pdf([[("Lunch is at noon.", 12)]]))
    shown = api.admin.get(f"/v1/documents/{id_}").json()
    assert (shown["media_type"], shown["state"]) == ("application/pdf", "ready")
    told = problem(api.upload("really-a-program.pdf", b"\x7fELF" + bytes(range(256)) * 8), 415)
    assert "really-a-program.pdf" in told["detail"]


@pytest.mark.parametrize("name", ["a.exe", "a.jar", "a.docx", "a.doc", "a.gif"])
def test_unknown_kind_is_415_and_nothing_stays(untouched: Api, name: str) -> None:
    contents = {
        "a.exe": b"MZ" + bytes(range(256)) * 8,
        "a.jar": _zip({"META-INF/MANIFEST.MF": b"Manifest-Version: 1.0"}),
        "a.docx": _zip({"[Content_Types].xml": os.urandom(4000)}, damage=True),
        "a.doc": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        "a.gif": b"GIF89a" + bytes(40),
    }
    assert problem(untouched.upload(name, contents[name]), 415)["hint"]
    nothing_kept(untouched)


def _zip(members: dict[str, bytes], damage: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    content = bytearray(buffer.getvalue())
    if damage:
        content[60:90] = b"\xff" * 30
    return bytes(content)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path, upload={"max_file_bytes": 100_000, "max_files": 3})
    yield made
    made.close()


def test_file_over_the_limit_alone_is_413(small: Api) -> None:
    told = problem(small.upload("big.txt", b"word " * 30_000), 413)
    assert "100,000 bytes" in told["detail"]
    nothing_kept(small)


def test_file_over_the_limit_does_not_hold_up_the_others(small: Api) -> None:
    files = [("files", ("a.txt", GOOD)), ("files", ("big.txt", b"word " * 30_000)), ("files", ("b.txt", b"Other."))]
    response = small.admin.post(ROUTE, files=files)
    assert response.status_code == 202
    first, big, last = response.json()["items"]
    assert first["state"] == last["state"] == "queued"
    assert big["id"] is None
    assert big["problem"]["status"] == 413
    assert small.count(Document) == len(small.files("originals")) == 2
    assert small.files("staging") == []


def test_too_many_files_are_413_and_none_is_kept(small: Api) -> None:
    files = [("files", (f"{n}.txt", b"Text %d." % n)) for n in range(4)]
    assert "More than 3 files" in problem(small.admin.post(ROUTE, files=files), 413)["detail"]
    nothing_kept(small)


def test_all_refused_answers_with_the_first_problem_and_every_item(api: Api) -> None:
    response = api.admin.post(ROUTE, files=[("files", ("a.txt", b"")), ("files", ("b.exe", b"\0" * 600))])
    told = problem(response, 422)
    assert [item["problem"]["status"] for item in told["items"]] == [422, 415]
    nothing_kept(api)


FILE = ('name="files"; filename="a.txt"', GOOD)
BROKEN: dict[str, tuple[bytes, dict[str, str], int]] = {
    "no final boundary": (*multipart(FILE, end=False), 400),
    "cut inside a file": (multipart(FILE)[0][:-30], multipart(FILE)[1], 400),
    "not multipart at all": (b"hello", {"Content-Type": "text/plain"}, 422),
    "no content type": (b"hello", {}, 422),
    "multipart without a boundary": (multipart(FILE)[0], {"Content-Type": "multipart/form-data"}, 422),
    "another boundary than announced": (multipart(FILE)[0], multipart(boundary="other")[1], 400),
    "an empty body": (b"", multipart()[1], 400),
    "no files": (*multipart(('name="key"', b"k")), 422),
    "a file in another field": (*multipart(('name="document"; filename="a.txt"', GOOD)), 422),
    "an unknown field": (*multipart(FILE, ('name="acess"', b"hr")), 422),
    "metadata that is not JSON": (*multipart(FILE, ('name="metadata"', b"{not json")), 422),
    "metadata that is no object": (*multipart(FILE, ('name="metadata"', b"[1]")), 422),
    "metadata without end": (*multipart(FILE, ('name="metadata"', b"[" * 50_000)), 422),
    "metadata nested too deep": (*multipart(FILE, ('name="metadata"', b'{"a":' * 400 + b"1" + b"}" * 400)), 422),
    "metadata that is no text": (*multipart(FILE, ('name="metadata"', b'{"a": "\\ud800"}')), 422),
    "metadata that is not a number": (*multipart(FILE, ('name="metadata"', b'{"a": NaN}')), 422),
    "an empty group": (*multipart(FILE, ('name="access"', b" ")), 422),
    "an empty key": (*multipart(FILE, ('name="key"', b"")), 422),
    "a key with a control character": (*multipart(FILE, ('name="key"', b"a\0b")), 422),
    "a key too long": (*multipart(FILE, ('name="key"', b"k" * 1001)), 422),
    "more keys than files": (*multipart(FILE, ('name="key"', b"a"), ('name="key"', b"b")), 422),
    "a field too long": (*multipart(FILE, ('name="metadata"', b"x" * 100_001)), 413),
    "fields without end": (*multipart(FILE, *[('name="access"', b"x" * 90_000)] * 30), 413),
    "a header too long": (*multipart((f'name="files"; filename="{"x" * 50_000}"', GOOD)), 400),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_upload_is_told_why_and_leaves_nothing(untouched: Api, case: str) -> None:
    body, headers, status = BROKEN[case]
    assert problem(untouched.admin.post(ROUTE, content=body, headers=headers), status)["hint"]
    nothing_kept(untouched)


@pytest.mark.parametrize("declared", ["Content-Length: 9000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("reset", [False, True])
def test_client_that_leaves_in_the_middle_leaves_nothing(api: Api, declared: str, reset: bool) -> None:
    body, headers = multipart(('name="files"; filename="a.txt"', GOOD * 20_000), end=False)
    if "chunked" in declared:
        body = f"{len(body) + 1000:x}\r\n".encode() + body
    head = f"POST {ROUTE} HTTP/1.1\r\nHost: x\r\nAuthorization: {api.admin.headers['authorization']}\r\n{declared}\r\n"
    with served(api.app) as url:
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(f"{head}Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + body)
            _wait_for(lambda: sum(file.stat().st_size for file in api.files("staging")) > 500_000)
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        _wait_for(lambda: api.files("staging") == [])
    nothing_kept(api)


def _wait_for(met: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_unknown_corpus_is_404_before_the_body_is_read(api: Api) -> None:
    problem(api.upload("a.txt", GOOD, corpus="nowhere"), 404)
    problem(api.upload("a.txt", GOOD, corpus=str(uuid4())), 404)
    nothing_kept(api)


class FullDisk(io.FileIO):
    """A file on a disk without room."""

    def write(self, data: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def _full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


FULL: dict[str, tuple[Any, str, Any, int]] = {
    "opened": (Path, "open", _full, 1),
    "written": (Path, "open", lambda path, mode: io.BufferedWriter(FullDisk(path, mode)), 5000),
    "closed": (Path, "open", lambda path, mode: io.BufferedWriter(FullDisk(path, mode)), 1),
    "synced": (os, "fsync", _full, 1),
    "named": (Path, "replace", _full, 1),
}


@pytest.mark.parametrize("step", FULL)
def test_disk_that_is_full_when_a_file_is(api: Api, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    place, name, fault, times = FULL[step]
    with monkeypatch.context() as patch:
        patch.setattr(place, name, fault)
        told = problem(api.upload("a.txt", GOOD * times), 507)
    assert "nothing was half-kept" in told["hint"]
    nothing_kept(api)
    assert api.upload("a.txt", GOOD).status_code == 202, "it works again once there is room"


@pytest.fixture
def tiny_volume(tmp_path: Path) -> Iterator[Path]:
    volume = tmp_path / "volume"
    volume.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(volume)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small volume cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield volume
    subprocess.run(["umount", str(volume)], check=True)


@pytest.mark.parametrize("size", [265_000, 400_000, 3_000_000])
def test_really_full_volume_is_507_and_its_room_comes_back(tmp_path: Path, tiny_volume: Path, size: int) -> None:
    api = Api(tmp_path, blobs=str(tiny_volume))
    free = shutil.disk_usage(tiny_volume).free
    problem(api.upload("a.txt", b"word " * (size // 5)), 507)
    nothing_kept(api)
    assert shutil.disk_usage(tiny_volume).free >= free - 8192
    assert api.upload("a.txt", GOOD).status_code == 202
    api.close()


def test_catalog_that_cannot_commit_leaves_no_blob(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise StorageFull("The catalog's disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr("services.upload.accept.ask_indexing", full)
        problem(api.upload("a.txt", GOOD), 507)
    nothing_kept(api)


def test_catalog_that_cannot_commit_leaves_the_blob_that_another_document_needs(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = api.add("a.txt", GOOD)
    with monkeypatch.context() as patch:
        patch.setattr("services.upload.accept.ask_indexing", lambda *_: 1 / 0)
        problem(api.upload("b.txt", GOOD), 500)
    assert api.admin.get(f"/v1/documents/{first}/content").content == GOOD


def test_upload_of_many_files_keeps_few_files_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(tmp_path)
    most = 0
    real = Staged.seal

    def counting(staged: Staged) -> Any:
        nonlocal most
        links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if os.path.lexists(link)]
        most = max(most, sum("staging" in link for link in links))
        return real(staged)

    monkeypatch.setattr(Staged, "seal", counting)
    response = api.admin.post(ROUTE, files=[("files", (f"{n}.txt", b"Text %d." % n)) for n in range(30)])
    assert json.loads(response.text)["items"][29]["state"] == "queued"
    assert most <= 1
    api.close()


def test_key_that_is_revoked_while_its_files_arrive_uploads_nothing(api: Api) -> None:
    made = api.admin.post("/v1/keys", json={"name": "k", "user": "ann", "scopes": ["upload"]}).json()
    body, headers = multipart(('name="files"; filename="notes.txt"', GOOD))

    def slowly() -> Iterator[bytes]:
        yield body[:-20]
        assert api.admin.delete(f"/v1/keys/{made['id']}").status_code == 200
        yield body[-20:]

    with served(api.app) as url:
        headers |= {"Authorization": f"Bearer {made['key']}"}
        told = problem(httpx.post(url + ROUTE, content=slowly(), headers=headers, timeout=60), 401)
    assert told["items"][0]["problem"]["status"] == 401
    nothing_kept(api)
