"""Makes a text inert for whoever renders it: no image, no markup, and no link but to a host that is allowed."""

import re
from collections.abc import Iterable, Sequence
from html import unescape
from urllib.parse import urlsplit

from moat.characters import drop_invisible

REMOVED = "[link removed]"
_REST = r"(?:\[[0-9A-Fa-f:.]+\])?[^\s<>\"'`\[\]{}|]*"
# A backslash before punctuation vanishes where Markdown is rendered, and browsers take it for a slash.
_ADDRESS = re.compile(
    rf"""
    (?P<scheme>[^\W\d_][\w+.\-]{{1,30}}\\*:(?:\\*[/\\]){{2}}{_REST}      # any scheme://
      |(?:https?|ftps?|wss?|file)\\*:(?=[^\s"'<>]){_REST}                       # browsers need no slash for these
      |(?:javascript|vbscript|livescript|blob|filesystem|view-source|mailto)\\*:(?=\S){_REST}
      |data\\*:(?=[\w.+\-]*/[\w.+\-]*[;,]|[;,]){_REST})
    |(?P<relative>(?<![\w:/\\.])(?:\\*[/\\]){{2}}[\w\-%.]{_REST})   # //host
    |(?P<www>(?<![\w.@/])www\\?[.。．｡](?=[^\s<>\"'`\[\]{{}}|]){_REST})
    |(?P<mail>[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+)
    |(?P<bare>(?<![\w@./\-])(?:[\w\-]+\.)+[A-Za-z]{{2,24}}(?::\d+)?[/?\#][^\s<>"'`\[\]{{}}|]*
      |(?<![\w@./\-])(?:[\w\-]+\.){{2,}}[A-Za-z]{{2,24}}(?![\w(]))
    """,
    re.VERBOSE | re.IGNORECASE,
)
_TRAILING = ".,;:!?)*_~。，；：！？）"
_LINK = re.compile(r"\]\((?:(https?://[^\s()<>\[\]\\]+)\))?", re.IGNORECASE)
_IMAGE = re.compile(r"!(?=\\?\[)")
_MARKED = re.compile(r"!(?=\[\d{1,3}\])")  # an exclamation and its source
_DEFINITION = re.compile(r"(?<!\d)\](?=:)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


class Inert:
    """Cleans a text that comes in pieces; `links` are the addresses it kept, `flags` what it had to change.

    An address that stands in `known` is shown without being one; any other is removed, since it may carry data away.
    """

    def __init__(self, known: Iterable[str], hosts: Sequence[str] = ()) -> None:
        self.links: list[str] = []
        self.flags: set[str] = set()
        self._known = "\n".join(known)
        self._hosts = tuple(host.lower() for host in hosts)
        self._last = ""

    def clean(self, text: str) -> str:
        """Clean the next piece."""
        text = drop_invisible(_decoded(text))[0]
        text = _ADDRESS.sub(self._address, text)
        text = self._subbed(_IMAGE, "! ", _MARKED.sub("! ", text), "image_removed")
        text = _DEFINITION.sub("] ", _LINK.sub(self._link, text))
        text = self._subbed(_TAG, "< ", text, "markup_removed")
        if self._last + text[:1] in ("](", "]:", "![", "<!", "</") or (self._last == "<" and text[:1].isalpha()):
            text = f" {text}"
        self._last = text[-1:] or self._last
        return text

    def _subbed(self, pattern: re.Pattern[str], by: str, text: str, flag: str) -> str:
        text, found = pattern.subn(by, text)
        if found:
            self.flags.add(flag)
        return text

    def _address(self, found: re.Match[str]) -> str:
        whole = found[0]
        address = whole.rstrip(_TRAILING)
        rest = whole[len(address) :]
        if self._is_allowed(address):
            if address not in self.links:
                self.links.append(address)
            return whole
        if address and address in self._known:
            return _disarmed(address, found) + rest
        if found["bare"] and not re.search(r"[/?#:]", address):  # a dotted name, perhaps of a file
            return address.replace(".", "[.]") + rest
        self.flags.add("link_removed")
        return REMOVED + rest

    def _link(self, found: re.Match[str]) -> str:
        return found[0] if found[1] and self._is_allowed(found[1]) else "] " + found[0][1:]

    def _is_allowed(self, address: str) -> bool:
        if not self._hosts or not address.isascii() or "\\" in address or not re.match(r"https?://[^/]", address):
            return False
        try:
            parts = urlsplit(address)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            return False
        return "@" not in parts.netloc and any(_covers(allowed, host) for allowed in self._hosts)


def _covers(allowed: str, host: str) -> bool:
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed


def _decoded(text: str) -> str:
    """Decode character references, also those that decoding makes: each renderer would decode once more."""
    while "&" in text and (decoded := unescape(text)) != text:
        text = decoded
    return text


def _disarmed(address: str, found: re.Match[str]) -> str:
    """Write an address of the sources so that a reader still sees it and a program does not."""
    if found["mail"] or found["bare"]:
        return address
    bare = re.sub(r"^(?:[A-Za-z][\w+.\-]*:)?[/\\]+", "", address)
    if bare == address and not found["www"]:
        return address.replace(":", "[:]", 1)
    host, slash, path = bare.partition("/")
    return host.replace(".", "[.]") + slash + path
