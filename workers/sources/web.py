"""A list of addresses or a sitemap as a source of documents, each page fetched through the guarded fetcher."""

import html
import io
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from moat.errors import FetchFailed, FetchRefused, InvalidRequest
from moat.fetch import Fetcher
from workers.sources.listing import Item, Listing, quiet

MOST_PAGES = 10_000
_LOCATION = re.compile(r"<loc>\s*(.*?)\s*</loc>", re.S | re.I)
_INDEX = re.compile(r"<sitemapindex\b", re.I)


def read_list(file: Path) -> list[str]:
    """Read one address a line; empty lines and those that begin with # are skipped."""
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


def read_sitemap(url: str, fetcher: Fetcher) -> list[str]:
    """List the pages of a sitemap, or of the sitemaps that an index names."""
    text = _text(url, fetcher)
    found = _locations(text)
    if _INDEX.search(text):
        found = [page for sitemap in found for page in _locations(_text(sitemap, fetcher))]
    if len(found) > MOST_PAGES:
        raise InvalidRequest(f"{url} names more than {MOST_PAGES:,} pages.", "Give its parts one by one.")
    return list(dict.fromkeys(found))


def list_pages(
    urls: Sequence[str], prefix: str, fetcher: Fetcher, folder: Path, alive: Callable[[], None] = quiet
) -> Listing:
    """Fetch every page into the folder; one that cannot be fetched makes the listing partial."""
    if not urls:
        raise InvalidRequest("The source names no address.", "Give one address a line.")
    items: list[Item] = []
    missing: list[str] = []
    for number, url in enumerate(urls):
        alive()
        path = folder / f"page-{number}"
        try:
            with path.open("wb") as into:
                size = fetcher.fetch(url, into).size
        except (FetchFailed, FetchRefused) as error:
            missing.append(f"{url}: {error.detail}")
        else:
            items.append(Item(path, f"{prefix}{url}", size))
    return Listing(tuple(items), tuple(missing))


def _text(url: str, fetcher: Fetcher) -> str:
    into = io.BytesIO()
    fetcher.fetch(url, into)
    return into.getvalue().decode("utf-8", "replace")


def _locations(text: str) -> list[str]:
    return [html.unescape(found.removeprefix("<![CDATA[").removesuffix("]]>")) for found in _LOCATION.findall(text)]
