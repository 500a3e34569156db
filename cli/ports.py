"""Ports on this machine: a free one, and whether one can be had."""

import os
import socket
from pathlib import Path

from moat.errors import Conflict

_LISTENING = "0A"


def free_port(host: str = "127.0.0.1") -> int:
    """Find a port that nothing listens on now."""
    with _bind(host, 0) as listener:
        return int(listener.getsockname()[1])


def require_free(host: str, port: int) -> None:
    """Raise Conflict, naming the process that has it where that can be seen, when the port cannot be bound."""
    try:
        _bind(host, port).close()
    except OSError as error:
        raise Conflict(
            f"Port {port} on {host} cannot be used: {error.strerror or error}{_by_whom(port)}.",
            "Choose another with --port N, let --port 0 take a free one, or stop the program that has it.",
        ) from error


def answers(host: str, port: int) -> bool:
    """Tell whether something accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _bind(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        # As the API's own server does, so that connections of one just stopped do not block it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1)  # of two that allow reuse, the second fails only here
    except OSError:
        listener.close()
        raise
    return listener


def _by_whom(port: int) -> str:
    sockets = _listening_sockets(port)
    for process in Path("/proc").glob("[0-9]*") if sockets else ():
        try:
            if any(os.readlink(handle) in sockets for handle in (process / "fd").iterdir()):  # noqa: PTH115
                return f", {(process / 'comm').read_text().strip()} (process {process.name}) listens there"
        except OSError:
            continue  # it ended, or is somebody else's
    return ""


def _listening_sockets(port: int) -> set[str]:
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rsplit(":", 1)[1], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found
