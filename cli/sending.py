"""Sends files in calls of a bearable size, and keeps what became of each."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import quote

from cli.client import Client, CliError, JsonObject
from cli.files import LocalFile

FILES_A_CALL = 50
BYTES_A_CALL = 64_000_000


@dataclass(slots=True)
class Sent:
    """One file and its document, as last seen; without an id it was refused."""

    file: LocalFile
    id: str = ""
    state: str = "refused"
    duplicate: bool = False
    document: JsonObject = field(default_factory=dict)
    error: str = ""
    hint: str = ""

    @property
    def has_failed(self) -> bool:
        return self.state in ("refused", "failed", "quarantined", "cancelled", "deleted")

    def as_json(self) -> JsonObject:
        pages, chunks = self.document.get("pages"), self.document.get("chunks")
        return {
            "file": os.fsencode(self.file.path).decode("utf-8", "replace"),
            "key": self.file.key,
            "id": self.id or None,
            "state": self.state,
            "duplicate": self.duplicate,
            "pages": pages,
            "chunks": chunks,
            "error": self.error or None,
            "hint": self.hint or None,
        }


def send(
    client: Client,
    corpus: str,
    files: Sequence[LocalFile],
    *,
    access: Sequence[str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    on_sent: Callable[[int], None] = lambda count: None,
    on_wait: Callable[[float], None] = lambda seconds: None,
) -> list[Sent]:
    """Upload the files in order; `on_sent` hears how many more arrived. Access None means the corpus's own.

    A server with too much work is waited for as long as it takes; `on_wait` hears the seconds it named.
    """

    def wait(seconds: float) -> None:
        on_wait(seconds)
        time.sleep(seconds)

    fields: dict[str, Any] = {}
    if access:
        fields["access"] = list(access)
    if metadata is not None:
        fields["metadata"] = json.dumps(metadata)
    sent: list[Sent] = []
    for batch in batches(files):
        sent += _send_batch(client, corpus, batch, fields, wait)
        on_sent(len(batch))
    return sent


def batches(files: Sequence[LocalFile]) -> Iterator[list[LocalFile]]:
    """Cut the files into calls; a file over the size of a call goes alone."""
    batch: list[LocalFile] = []
    size = 0
    for file in files:
        if batch and (len(batch) == FILES_A_CALL or size + file.size > BYTES_A_CALL):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch


def _send_batch(
    client: Client, corpus: str, batch: list[LocalFile], fields: dict[str, Any], wait: Callable[[float], None]
) -> list[Sent]:
    with ExitStack() as stack:
        sent = [Sent(file) for file in batch]
        opened: list[tuple[Sent, IO[bytes]]] = []
        for item in sent:
            try:
                opened.append((item, stack.enter_context(item.file.path.open("rb"))))
            except OSError as error:
                item.error, item.hint = f"It cannot be read: {error.strerror}.", "Check the file's permissions."
        if opened:
            told = _call_until_taken(client, corpus, opened, fields, wait)
            for (item, _), answer in zip(opened, told, strict=True):
                _note(item, answer)
    return sent


def _call_until_taken(
    client: Client,
    corpus: str,
    opened: list[tuple[Sent, IO[bytes]]],
    fields: dict[str, Any],
    wait: Callable[[float], None],
) -> list[JsonObject]:
    while True:
        try:
            return _call(client, corpus, opened, fields)
        except CliError as error:
            if error.retry_after_s is None:
                raise
            wait(error.retry_after_s)
        for _, stream in opened:
            stream.seek(0)  # it was read, in part or to its end, for the call that was refused


def _call(
    client: Client, corpus: str, opened: list[tuple[Sent, IO[bytes]]], fields: dict[str, Any]
) -> list[JsonObject]:
    files = [(item.file.key, stream) for item, stream in opened]
    keys = {"key": [item.file.key for item, _ in opened]}
    try:
        result = client.upload(f"/v1/corpora/{quote(corpus, safe='')}/documents", files, keys | fields)
    except CliError as error:
        if "items" not in error.body:  # otherwise every file of this call was refused, each for its reason
            raise
        result = error.body
    items: list[JsonObject] = result["items"]
    return items


def _note(item: Sent, answer: JsonObject) -> None:
    problem = answer.get("problem")
    if problem:
        item.error, item.hint = problem["detail"], problem["hint"]
        return
    item.id, item.state, item.duplicate = answer["id"], answer["state"], answer["duplicate"]
