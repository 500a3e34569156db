"""What a folder and a bucket both promise: a blob is there whole or not at all, and what is wrong is said alike."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest

from moat.blobs import Blobs, original_name, parsed_name, text_name, vectors_name
from moat.errors import NotFound
from moat.object_blobs import PART_BYTES, open_blobs
from moat.settings import Settings
from tests.fakes.s3 import s3_bucket, s3_endpoint

__all__ = ["s3_bucket", "s3_endpoint"]

DATA = b"Lunch is at noon.\n" * 100
OpenBlobs = Callable[[], Blobs]


@pytest.fixture(params=["folder", "memory", "s3"])
def another(request: pytest.FixtureRequest, tmp_path: Path) -> OpenBlobs:
    """Open the same blobs once more, as another process does, in a home of its own."""
    place = {
        "folder": lambda: str(tmp_path / "shared"),
        "memory": lambda: f"memory://{uuid4().hex}",
        "s3": lambda: f"s3://{request.getfixturevalue('s3_bucket')}/a/prefix",
    }[request.param]()
    return lambda: open_blobs(Settings(home=tmp_path / uuid4().hex, blobs=place))


@pytest.fixture
def blobs(another: OpenBlobs) -> Blobs:
    return another()


def content(blobs: Blobs, name: str) -> bytes:
    with blobs.local_file(name) as path:
        return path.read_bytes()


def is_there(blobs: Blobs, name: str) -> bool:
    try:
        return bool(blobs.get(name))
    except NotFound:
        return False


def test_sealed_blob_is_found_by_its_hash_and_an_unsealed_one_is_gone(blobs: Blobs, another: OpenBlobs) -> None:
    with blobs.stage() as staged:
        staged.write(DATA[:700])
        staged.write(DATA[700:])
        staged.finish()
        assert staged.path.read_bytes() == DATA
        with pytest.raises(NotFound):
            content(blobs, original_name(staged.sha256))
        sealed = staged.seal()
    assert (sealed.sha256, sealed.size) == (sha256(DATA).hexdigest(), len(DATA))
    assert content(another(), sealed.name) == DATA
    with blobs.stage() as staged:
        staged.write(DATA + b"more")
        unsealed = original_name(staged.sha256)
    assert not staged.path.exists()
    with pytest.raises(NotFound):
        content(blobs, unsealed)


def test_file_of_many_parts_arrives_whole(blobs: Blobs, another: OpenBlobs) -> None:
    piece = os.urandom(1 << 20)
    with blobs.stage() as staged:
        for _ in range(2 * (PART_BYTES >> 20) + 1):
            staged.write(piece)
        staged.write(b"end")
        sealed = staged.seal()
    with another().local_file(sealed.name) as path:
        assert path.stat().st_size == sealed.size
        assert sha256(path.read_bytes()).hexdigest() == sealed.sha256


def test_what_was_put_comes_back_until_it_is_deleted(blobs: Blobs, another: OpenBlobs) -> None:
    name = text_name(uuid4())
    blobs.put(name, DATA)
    blobs.put(name, DATA + b"more")
    assert another().get(name) == DATA + b"more"
    blobs.delete(name)
    blobs.delete(name)
    for opened in (blobs, another()):
        with pytest.raises(NotFound, match="missing"):
            opened.get(name)
        with pytest.raises(NotFound, match="missing"), opened.local_file(name):
            pass


def test_original_goes_with_what_was_made_of_it_and_nothing_else(blobs: Blobs, another: OpenBlobs) -> None:
    one, other = sha256(b"1").hexdigest(), sha256(b"2").hexdigest()
    made = {
        digest: [
            original_name(digest),
            parsed_name(digest, "text/plain", "1"),
            parsed_name(digest, "text/csv", "2"),
            vectors_name(digest, "abc"),
        ]
        for digest in (one, other)
    }
    blobs.delete_original(one)  # there is nothing yet
    for name in made[one] + made[other]:
        blobs.put(name, b"something")
    another().delete_original(one)
    assert [is_there(blobs, name) for name in made[one]] == [False] * 4
    assert [is_there(blobs, name) for name in made[other]] == [True] * 4


def test_no_reader_ever_sees_a_part_of_a_blob(blobs: Blobs, another: OpenBlobs) -> None:
    name = text_name(uuid4())
    editions = [os.urandom(200_000) for _ in range(8)]
    seen: list[bytes] = []
    over = threading.Event()

    def read(reader: Blobs) -> None:
        while not over.is_set():
            with suppress(NotFound):  # not yet there
                seen.append(reader.get(name))

    readers = [threading.Thread(target=read, args=(another(),)) for _ in range(2)]
    for thread in readers:
        thread.start()
    for edition in editions:
        blobs.put(name, edition)
    over.set()
    for thread in readers:
        thread.join()
    assert blobs.get(name) == editions[-1]
    assert set(seen) <= set(editions)


def test_a_local_file_is_readable_by_its_path_and_leaves_nothing_in_staging(blobs: Blobs, tmp_path: Path) -> None:
    with blobs.stage() as staged:
        staged.write(DATA)
        name = staged.seal().name
    with blobs.local_file(name) as one, blobs.local_file(name) as two:
        assert one.read_bytes() == two.read_bytes() == DATA
    assert content(blobs, name) == DATA
    assert [path for folder in tmp_path.rglob("staging") for path in folder.iterdir()] == []


def test_only_what_nobody_writes_any_more_is_cleared(blobs: Blobs) -> None:
    with blobs.stage() as staged:
        staged.write(DATA)
        abandoned = staged.path.with_name("dead")
        abandoned.write_bytes(DATA)
        old = time.time() - 7200
        os.utime(abandoned, (old, old))
        blobs.clear_staging(timedelta(hours=1))
        assert staged.path.exists()
        assert not abandoned.exists()


def test_what_can_be_used_passes_the_check(blobs: Blobs) -> None:
    blobs.check()
