"""Blobs in a bucket of S3, or of a server that speaks S3's protocol, through fsspec."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from fsspec.core import url_to_fs

from moat.blobs import (
    MADE_OF_ORIGINALS,
    Blobs,
    Staged,
    clear_folder,
    missing,
    original_name,
    pack,
    placed,
    unpack,
)
from moat.errors import InvalidRequest, MoatError, NotFound, StorageFull, Unavailable
from moat.folder_blobs import FolderBlobs
from moat.settings import Settings

# Large files travel in parts of this size, so many at once: what a transfer takes of memory is their product.
PART_BYTES = 8 << 20
PARTS_AT_ONCE = 4
_S3 = {
    "use_listings_cache": False,  # other processes write too
    "skip_instance_cache": True,
    "config_kwargs": {
        "connect_timeout": 3,
        "read_timeout": 20,
        "retries": {"mode": "standard", "total_max_attempts": 3},
    },
}
_PARTS = {"chunksize": PART_BYTES, "max_concurrency": PARTS_AT_ONCE}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientCapacity"}
_HINT = (
    "Check MOAT_BLOBS, AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that this key may list the "
    "bucket and get, put and delete its objects."
)
_ROOM_HINT = "Raise the bucket's quota or free space in it, then send it again; nothing was half-kept."


def open_blobs(settings: Settings) -> Blobs:
    """Open the blobs where the settings have them: a folder, or a bucket. Nothing is asked of a bucket yet."""
    if "://" not in settings.blobs:
        return FolderBlobs(settings.blobs_folder)
    return ObjectBlobs(settings.blobs, settings.home_folder / "staging")


class ObjectBlobs:
    """Blobs as objects of a bucket, laid out as in a folder; `staging` holds local files on their way.

    An object is there whole or not at all, as S3 promises it of every put and of a finished multipart upload.
    """

    def __init__(self, url: str, staging: Path) -> None:
        self._url = url.rstrip("/")
        self._in_parts = url.startswith("s3://")
        try:
            self._files, self._root = url_to_fs(self._url, **(_S3 if self._in_parts else {}))
        except ImportError as error:
            raise InvalidRequest(
                f"{url} cannot be used: s3fs is not installed.", "Install it: pip install 'moat[s3]'."
            ) from error
        self._files.retries = 1  # botocore has tried again already: a minute for a server that hangs is enough
        self._failures = _s3_failures() if self._in_parts else (OSError,)
        self._staging = staging
        staging.mkdir(parents=True, exist_ok=True, mode=0o700)

    def stage(self) -> Staged:
        return Staged(self._staging, self._keep)

    def put(self, name: str, data: bytes, *, durable: bool = True) -> None:
        with self._translated():
            self._files.pipe_file(self._path(name), pack(data))

    def get(self, name: str) -> bytes:
        with self._translated(name):
            stored = self._files.cat_file(self._path(name))
        return unpack(stored)

    @contextmanager
    def local_file(self, name: str) -> Iterator[Path]:
        path = self._staging / uuid4().hex
        try:
            with self._translated(name):
                self._files.get_file(self._path(name), str(path), **(_PARTS if self._in_parts else {}))
            yield path
        finally:
            path.unlink(missing_ok=True)

    def delete(self, name: str) -> None:
        try:
            with self._translated(name):
                self._files.rm_file(self._path(name))
        except NotFound:
            return

    def delete_original(self, sha256: str) -> None:
        """Remove an original and everything that was made of it: parsed elements and vectors."""
        for name in self.of_original(sha256):
            self.delete(name)

    def of_original(self, sha256: str) -> list[str]:
        name = original_name(sha256)
        with self._translated():
            found = [name] if self._files.exists(self._path(name)) else []
            for kind in MADE_OF_ORIGINALS:
                made = self._files.glob(self._path(f"{kind}/{sha256}.*"))
                found += [f"{kind}/{path.rpartition('/')[2]}" for path in made]
        return found

    def clear_staging(self, untouched_for: timedelta) -> None:
        clear_folder(self._staging, untouched_for)

    def check(self) -> None:
        try:
            with self._translated("checks/nothing"):
                self._files.cat_file(self._path("checks/nothing"))
        except NotFound:
            return  # said by a bucket that exists and lets this key in

    def _path(self, name: str) -> str:
        return f"{self._root}/{placed(name)}"

    def _keep(self, file: Path, name: str) -> None:
        with self._translated():
            if self._in_parts:
                self._files.put_file(str(file), self._path(name), **_PARTS)
            else:  # memory: a file put there would be seen while it is copied
                self._files.pipe_file(self._path(name), file.read_bytes())

    @contextmanager
    def _translated(self, name: str = "") -> Iterator[None]:
        """Turn what the store says into the errors that a folder's faults are."""
        try:
            yield
        except self._failures as error:
            raise self._meaning(error, name) from error

    def _meaning(self, error: BaseException, name: str) -> MoatError:
        answer = getattr(error.__cause__, "response", None) or getattr(error, "response", None) or {}
        code = answer.get("Error", {}).get("Code", "")
        if name and isinstance(error, FileNotFoundError) and code != "NoSuchBucket":
            return missing(name)
        if not answer and isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return StorageFull("The disk that holds files on their way to the bucket and from it is full.")
        if code in _FULL:
            return StorageFull("There is no room in the bucket of the blobs.", _ROOM_HINT, inside=self._url)
        if isinstance(error, PermissionError):
            return Unavailable(
                "The bucket of the blobs refuses the key it is given.", _HINT, inside=f"{self._url}: {error}"
            )
        return Unavailable("The bucket of the blobs cannot be used.", _HINT, inside=f"{self._url}: {error}")


def _s3_failures() -> tuple[type[BaseException], ...]:
    """Name what s3fs raises when its server cannot be reached or says no."""
    from aiohttp import ClientError as HttpError
    from botocore.exceptions import BotoCoreError, ClientError

    return (OSError, BotoCoreError, ClientError, HttpError)
