"""What clients do with an answer that trust it: render it as Markdown with HTML, and load all that it names."""

import re
from urllib.parse import urljoin, urlsplit

import httpx
import lxml.html
from markdown_it import MarkdownIt

BASE = "http://client.example/chat/"
_RENDERERS = (MarkdownIt("commonmark", {"html": True}), MarkdownIt("commonmark", {"html": True}).enable("table"))
_ADDRESS = re.compile(r"(?i)\b(?:https?|ftp|wss?|file):[^\s<>\"')\]]+|(?<![:\w/])//[\w.:-]+[^\s<>\"')\]]*|\bwww\.\S+")
_IN_STYLE = re.compile(r"(?i)url\(([^)]*)\)|@import\s+(\S+)")
ACTIVE = frozenset((
    "a", "area", "audio", "base", "button", "embed", "form", "frame", "iframe", "image", "img", "input", "link", "math",
    "meta", "object", "script", "source", "style", "svg", "template", "track", "video",
))  # fmt: skip


def reached(answer: str) -> list[str]:
    """Name every address of another host that rendering the answer, or looking for links in it, would come to."""
    found = [address.rstrip(".,;:!?") for address in _ADDRESS.findall(answer)]
    for renderer in _RENDERERS:
        for element in _elements(renderer.render(answer)):
            found += [value for name, value in element.attrib.items() if _is_address(name)]
            found += ["".join(pair) for pair in _IN_STYLE.findall(f"{element.get('style', '')} {element.text or ''}")]
    addresses = (urljoin(BASE, address.strip("'\" ").replace("\\", "/")) for address in found)
    return sorted({address for address in addresses if urlsplit(address).netloc != urlsplit(BASE).netloc})


def active_tags(answer: str) -> set[str]:
    """Name the elements of the rendered answer that load, link or run something."""
    return {str(e.tag) for renderer in _RENDERERS for e in _elements(renderer.render(answer)) if e.tag in ACTIVE}


def follow(addresses: list[str]) -> None:
    """Load each address that leads to this machine, as a browser would an image."""
    for address in addresses:
        if urlsplit(address).hostname in ("127.0.0.1", "localhost"):
            httpx.get(address, trust_env=False, timeout=5)


def _elements(rendered: str) -> list[lxml.html.HtmlElement]:
    root = lxml.html.fromstring(f"<div>{rendered}</div>")
    return [element for element in root.iter() if isinstance(element.tag, str)]


def _is_address(name: str) -> bool:
    return name in ("href", "src", "srcset", "action", "formaction", "data", "poster", "background", "content", "cite")
