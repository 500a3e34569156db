"""Blobs in a folder: synced, private, and honest about the disk. What holds in a bucket too: test_blobs_anywhere.py."""

import errno
import os
import shutil
import stat
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from moat.blobs import text_name
from moat.errors import StorageFull, Unavailable
from moat.folder_blobs import FolderBlobs

DATA = b"Lunch is at noon.\n" * 100


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


def left(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


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


def test_put_is_compressed(blobs: FolderBlobs, tmp_path: Path) -> None:
    blobs.put(text_name(uuid4()), DATA)
    (file,) = left(tmp_path)
    assert file.stat().st_size < len(DATA)


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


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_folder_that_may_not_be_written_is_said(
    blobs: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(Unavailable, match="may not be written") as refused:
        blobs.put("texts/abcd", DATA)
    assert "MOAT_BLOBS" in refused.value.hint
    assert left(tmp_path) == []


def test_folder_that_is_gone_is_told(blobs: FolderBlobs, tmp_path: Path) -> None:
    blobs.check()
    shutil.rmtree(tmp_path / "blobs")
    with pytest.raises(Unavailable, match="gone"):
        blobs.check()


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
