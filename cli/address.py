"""Which server the command talks to, and with what key."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from moat.errors import InvalidRequest, Unavailable


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and the key to send."""

    url: str
    key: str = ""
    certificate: str = ""  # the file of our own server's: it is on this machine, under whichever name

    @property
    def is_loopback(self) -> bool:
        host = urlsplit(self.url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def finder(server: str | None, key: str | None) -> Callable[[], Address]:
    """Look for the address when it is needed: commands that start a server need none."""
    return lambda: find_address(server, key)


def find_address(server: str | None, key: str | None) -> Address:
    """Give the server that was named, else the one that runs on this machine's home, with the home's admin key.

    The home's key goes to the home's own server and nowhere else.
    """
    if server and key:
        return Address(_checked(server), key)
    # Only now: the settings take a third of a second to load.
    from cli.home import Home
    from moat.settings import Settings

    home = Home(Settings.load().home_folder)
    running = home.running()
    if server:
        url = _checked(server)
        if running is None or running.url != url:
            return Address(url)
        return Address(url, _key(home.key_file), running.certificate)
    if running is None:
        raise Unavailable(
            f"No Moat runs on {home.folder}.",
            "Start it with 'moat up', or name another server with --server or MOAT_SERVER.",
        )
    return Address(running.url, key or _key(home.key_file), running.certificate)


def _checked(server: str) -> str:
    parts = urlsplit(server.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequest(
            f"{server!r} is not a server's address.", "Write it as http://host:port, or https://host behind a proxy."
        )
    return server.strip().rstrip("/")


def _key(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, PermissionError):  # another user's home: the call then says that it needs a key
        return ""
