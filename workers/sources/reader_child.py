"""The child in which a llama-index reader runs: it confines itself, then writes one file a document."""

import importlib
import json
import os
import resource
import socket
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from ingest.sandbox_child import Guard, cut_network, follow_parent, private_pipes

_MOST_METADATA_CHARS = 20_000
_MOST_ID_CHARS = 900
# What takes up a connection; a socket by itself reaches nobody, and asyncio makes one for its own use.
_REACHING = frozenset(
    {
        *("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"),
        *("socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"),
    }
)


def main() -> None:
    """Read the request, then write a line a document to the pipe and a last one: done, or the error."""
    requests, replies = private_pipes()
    wanted = json.loads(requests.readline())
    follow_parent(wanted["parent"])
    if not wanted["network"]:
        cut_network()
    _limit(wanted)
    try:
        reader = _find(wanted["reader"])
        sys.addaudithook(_ReaderGuard([Path.cwd(), Path(wanted["into"])], wanted["network"]))
        _write_all(_documents(reader(**wanted["arguments"]), wanted["load"]), wanted, replies)
        _say(replies, {"done": True})
    except MemoryError:
        _say(replies, {"error": f"The reader needs more than {wanted['memory_bytes']:,} bytes (memory_bytes)."})
    except Exception as error:  # noqa: BLE001 (the process's edge: whatever a reader raises is the source's failure)
        _say(replies, {"error": f"The reader failed: {error!r}"[:400], "trace": traceback.format_exc()[-8000:]})


def _find(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _documents(reader: Any, load: dict[str, Any]) -> Iterable[Any]:
    """Take documents as they come where the reader can, so that half a listing is half, not nothing."""
    lazy = getattr(type(reader), "lazy_load_data", None)
    is_own = lazy is not None and lazy.__module__ != "llama_index.core.readers.base"  # the base's only raises
    found: Iterable[Any] = reader.lazy_load_data(**load) if is_own else reader.load_data(**load)
    return found


def _write_all(documents: Iterable[Any], wanted: dict[str, Any], replies: BinaryIO) -> None:
    left = wanted["max_bytes"]
    for number, document in enumerate(documents):
        if number == wanted["max_documents"]:
            raise ValueError(f"there are more than {number:,} documents (max_documents)")
        metadata = dict(document.metadata or {})
        named = metadata[wanted["id_from"]] if wanted["id_from"] else document.id_
        text = document.get_content()
        if not text.strip():
            _say(replies, {"empty": str(named)})
            continue
        data = text.encode("utf-8", "replace")
        left -= len(data)
        if left < 0:
            raise ValueError(f"there are more than {wanted['max_bytes']:,} bytes of text (max_bytes)")
        Path(wanted["into"], f"{number}.{wanted['text_as']}").write_bytes(data)
        groups = _groups(metadata.get(wanted["access_from"])) if wanted["access_from"] else None
        _say(replies, {"file": number, "id": _id(named), "groups": groups, "metadata": _plain(metadata)})


def _id(named: Any) -> str:
    text = "".join(c if c.isprintable() else " " for c in str(named)).strip()
    if not text or len(text) > _MOST_ID_CHARS:
        raise ValueError(f"{text[:100]!r} is no id: it has {len(text)} characters")
    return text


def _groups(stated: Any) -> list[str]:
    if stated is None:
        return []
    return [str(group) for group in stated] if isinstance(stated, (list, tuple, set)) else [str(stated)]


def _plain(metadata: dict[str, Any]) -> dict[str, Any]:
    """Keep of the metadata what JSON can say, and no more than belongs into a row."""
    kept = {str(k): v for k, v in metadata.items() if v is None or isinstance(v, (str, int, float, bool))}
    while len(json.dumps(kept)) > _MOST_METADATA_CHARS:
        kept.pop(max(kept, key=lambda name: len(json.dumps(kept[name]))))
    return kept


def _say(replies: BinaryIO, line: dict[str, Any]) -> None:
    replies.write(json.dumps(line).encode() + b"\n")
    replies.flush()


def _limit(wanted: dict[str, Any]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (wanted["cpu_s"], wanted["cpu_s"] + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (wanted["max_bytes"],) * 2)
    if sys.platform == "linux":  # macOS refuses it
        resource.setrlimit(resource.RLIMIT_AS, (wanted["memory_bytes"],) * 2)


class _ReaderGuard:
    """Refuses programs, changes outside the folders, and connections to hosts that the source does not name."""

    def __init__(self, folders: list[Path], hosts: list[str]) -> None:
        self._files = Guard(*folders)
        self._hosts = {host.lower() for host in hosts}
        self._any = "*" in self._hosts
        self._resolved: set[tuple[str, int]] = set()
        if self._hosts and not self._any:
            self._note_addresses()

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if not event.startswith("socket."):
            self._files(event, args)
        elif event in _REACHING and not self._any and not self._may(event, args):
            raise PermissionError(f"{event} {args[1:] or args} is not allowed: name the host under 'network'")

    def _may(self, event: str, args: tuple[Any, ...]) -> bool:
        if event == "socket.getaddrinfo":
            return self._is_named(str(args[0]), _port(args[1]))
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            address = args[1]
            if not isinstance(address, tuple):
                return False  # a socket of this machine's files
            host, port = str(address[0]), _port(address[1])
            return (host, port) in self._resolved or self._is_named(host, port)
        return False

    def _is_named(self, host: str, port: int) -> bool:
        host = host.lower()
        return host in self._hosts or f"{host}:{port}" in self._hosts

    def _note_addresses(self) -> None:
        """Remember where the named hosts are: a connection is made to an address."""
        asked = socket.getaddrinfo

        def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> Any:
            found = asked(host, port, *args, **options)
            for *_, address in found:
                if self._is_named(os.fsdecode(host), _port(port)):
                    self._resolved.add((str(address[0]), _port(address[1])))
            return found

        socket.getaddrinfo = getaddrinfo


def _port(stated: Any) -> int:
    try:
        return int(stated or 0)
    except (TypeError, ValueError):
        return {"http": 80, "https": 443}.get(os.fsdecode(stated), 0)


if __name__ == "__main__":
    main()
