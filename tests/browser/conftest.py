"""A real Chromium, and a site for it: the fake Moat, or the one that BROWSER_SITE_URL and BROWSER_SITE_KEY name."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from tests.fakes.served import served
from tests.fakes.web_api import FakeMoat, create_fake

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect.set_options(timeout=15_000)


@dataclass
class Site:
    """Where Moat is and how to get in; `fake` is None when it is a real one, whose answers cannot be scripted."""

    url: str
    key: str
    fake: FakeMoat | None = None
    own_hosts: set[str] = field(default_factory=set)

    @property
    def page_url(self) -> str:
        return f"{self.url}/#key={self.key}"

    def scripted(self) -> FakeMoat:
        if self.fake is None:
            pytest.skip("this test scripts the server's events, which needs the fake")
        return self.fake


# Of a module, not of the session: while Playwright's loop runs in this thread no other test could start one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if chromium is None:
        reason = "no Chromium on PATH: install it with 'apt-get install chromium'"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
        yield running
        running.close()


@pytest.fixture
def site() -> Iterator[Site]:
    if url := os.environ.get("BROWSER_SITE_URL"):
        yield Site(url.rstrip("/"), os.environ["BROWSER_SITE_KEY"], own_hosts={urlsplit(url).netloc})
        return
    fake = FakeMoat()
    fake.add_corpus("handbook")
    with served(create_fake(fake)) as url:
        yield Site(url, fake.key, fake, {urlsplit(url).netloc})


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """A fresh page that fails its test when it breaks: on a script error, a policy violation or a foreign request."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    faults: list[str] = []

    def watch(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc not in site.own_hosts:
            faults.append(f"a request went to {request.url}")

    context.on("request", watch)
    opened.on("pageerror", lambda error: faults.append(f"the page threw {error}"))
    opened.on("dialog", lambda dialog: (faults.append(f"a script ran: {dialog.message}"), dialog.dismiss()))
    opened.on("console", lambda said: faults.append(said.text) if "Security Policy" in said.text else None)
    yield opened
    context.close()
    assert faults == []
