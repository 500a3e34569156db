"""Blobs are whole and on disk, or not there at all."""

import errno
import os
import stat
import time
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from moat.blobs import FolderBlobs, original_name, parsed_name, text_name, vectors_name
from moat.errors import NotFound, StorageFull

DATA = b"Lunch is at noon.\n" * 100


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


def left(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


def test_sealed_blob_is_found_by_its_hash_and_an_unsealed_one_is_gone(blobs: FolderBlobs, tmp_path: Path) -> None:
    with blobs.stage() as staged:
        staged.write(DATA[:700])
        staged.write(DATA[700:])
        staged.finish()
        assert staged.path.read_bytes() == DATA
        sealed = staged.seal()
    assert (sealed.sha256, sealed.size) == (sha256(DATA).hexdigest(), len(DATA))
    with blobs.local_file(sealed.name) as path:
        assert path.read_bytes() == DATA
    with blobs.stage() as staged:
        staged.write(DATA)
    assert len(left(tmp_path)) == 1


def test_everything_is_synced_before_a_name_is_given(
    blobs: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_sync(descriptor: int) -> None:
        synced = Path(f"/proc/self/fd/{descriptor}").readlink()
        order.append("sync " + "/".join(synced.relative_to(tmp_path).parts[:2]))
        fsync(descriptor)

    def noted_replace(path: Path, target: Path) -> Path:
        order.append("name")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    with blobs.stage() as staged:
        staged.write(DATA)
        staged.seal()
    assert order == [
        "sync blobs/staging",  # the bytes
        "sync blobs",  # the name of the folder originals
        "sync blobs/originals",  # the name of the folder below it
        "name",
        "sync blobs/originals",  # the name of the file
    ]


def test_folders_are_the_owner_s_alone(blobs: FolderBlobs, tmp_path: Path) -> None:
    blobs.put("texts/abcd", b"x")
    for folder in (tmp_path / "blobs", tmp_path / "blobs" / "texts", tmp_path / "blobs" / "texts" / "ab"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_what_was_put_comes_back_and_is_compressed(blobs: FolderBlobs, tmp_path: Path) -> None:
    name = text_name(uuid4())
    blobs.put(name, DATA)
    blobs.put(name, DATA + b"more")
    assert blobs.get(name) == DATA + b"more"
    (file,) = left(tmp_path)
    assert file.stat().st_size < len(DATA)
    blobs.delete(name)
    blobs.delete(name)
    with pytest.raises(NotFound, match="missing"):
        blobs.get(name)
    with pytest.raises(NotFound, match="missing"), blobs.local_file(name):
        pass


def test_original_goes_with_what_was_made_of_it_and_nothing_else(blobs: FolderBlobs, tmp_path: Path) -> None:
    one, other = sha256(b"1").hexdigest(), sha256(b"2").hexdigest()
    for digest in (one, other):
        blobs.put(original_name(digest), b"original")
        blobs.put(parsed_name(digest, "text/plain", "1"), b"parsed")
        blobs.put(parsed_name(digest, "text/csv", "2"), b"parsed")
        blobs.put(vectors_name(digest, "abc"), b"vectors")
    blobs.delete_original(one)
    assert {path.name[:64] for path in left(tmp_path)} == {other}
    assert len(left(tmp_path)) == 4


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_is_said_and_leaves_nothing(
    blobs: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull):
        blobs.put("texts/abcd", DATA)
    with blobs.stage() as staged:
        staged.write(DATA)
        with pytest.raises(StorageFull):
            staged.seal()
    assert left(tmp_path) == []


def test_another_fault_of_the_disk_is_not_called_full(blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="I/O error"):
        blobs.put("texts/abcd", DATA)


def test_discarded_file_gives_its_room_back_at_once(blobs: FolderBlobs) -> None:
    with blobs.stage() as staged:
        staged.write(DATA)
        staged.discard()
        assert staged.path.stat().st_size == 0


def test_only_what_nobody_writes_any_more_is_cleared_from_staging(blobs: FolderBlobs, tmp_path: Path) -> None:
    abandoned = tmp_path / "blobs" / "staging" / "dead"
    abandoned.write_bytes(DATA)
    old = time.time() - 7200
    os.utime(abandoned, (old, old))
    with blobs.stage() as staged:
        staged.write(DATA)
        blobs.clear_staging(timedelta(hours=1))
        assert left(tmp_path) == [staged.path]
