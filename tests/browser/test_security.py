"""The product's own pages under the product's own policies, in a real Chromium: nothing is violated, nothing framed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.fakes.api import Api
from tests.fakes.patient import eventually
from tests.fakes.served import served

pytestmark = pytest.mark.browser


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path)
    yield made
    made.close()


def failure(request: Request) -> str:
    """Say how a request failed.

    Chromium calls every stream aborted whose response is `no-store`, as answers are, once it was read to its end: who
    leaves one before that is noticed by `SlowToEnd`.
    """
    at_its_end = request.url.endswith("/v1/answers") and request.failure == "net::ERR_ABORTED"
    return "" if at_its_end else f"failed: {request.url}: {request.failure}"


class SlowToEnd:
    """An app whose answers end a while after their last event, and which notes who leaves before that."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.left = self.ended = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != "/v1/answers":
            await self.app(scope, receive, send)
            return
        ending = False

        async def received() -> Any:
            message = await receive()
            self.left += message["type"] == "http.disconnect" and not ending
            return message

        async def sent(message: Any) -> None:
            nonlocal ending
            if message["type"] == "http.response.body" and not message.get("more_body"):
                await asyncio.sleep(0.5)
                ending = True
                self.ended += 1
            await send(message)

        await self.app(scope, received, sent)


@contextmanager
def watched(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page, and all that its console says and that fails in it."""
    context = browser.new_context(bypass_csp=False)
    page, said = context.new_page(), []
    page.on("console", lambda line: said.append(f"{line.type}: {line.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("requestfailed", lambda request: said.append(failed) if (failed := failure(request)) else None)
    try:
        yield page, said
    finally:
        context.close()


def test_the_page_and_the_reference_break_none_of_their_policies(browser: Browser, api: Api) -> None:
    api.add("lunch.txt", "Lunch is served at noon.\n")
    app = SlowToEnd(api.app)
    with served(app) as url, watched(browser) as (page, said):
        page.goto(f"{url}/#key={api.admin_key}")
        page.get_by_role("textbox").first.fill("When is lunch served?")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Lunch is served at noon.").first).to_be_visible()
        expect(page.get_by_text("lunch.txt").first).to_be_visible()
        expect(page.locator(".cost").last).to_be_visible()
        eventually(lambda: app.ended or app.left)
        assert (app.ended, app.left) == (1, 0)
        assert said == []
        page.goto(f"{url}/docs")
        page.locator("#operations-health-live_health_live_get").click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        expect(page.locator(".live-responses-table").get_by_text('"live"')).to_be_visible()
        assert said == []


def test_what_is_injected_into_a_page_does_not_run(browser: Browser, api: Api) -> None:
    with served(api.app) as url, watched(browser) as (page, said):
        page.goto(url)
        ran = page.evaluate(
            """async () => {
                const script = document.createElement("script");
                try { script.textContent = "window.ran = 1"; document.body.append(script); } catch (refused) {}
                const markup = "<img src=x onerror='window.ran = 2'>";
                try { document.body.insertAdjacentHTML("beforeend", markup); } catch (refused) {}
                const picture = new Image();
                picture.src = "http://127.0.0.1:9/beacon.png";
                document.body.append(picture);
                await fetch("http://127.0.0.1:9/beacon").catch(() => 0);
                await new Promise((done) => setTimeout(done, 300));
                return window.ran ?? 0;
            }"""
        )
        assert ran == 0
        refused = " ".join(said)
        assert "Content Security Policy" in refused
        assert "img-src" in refused
        assert "connect-src" in refused


def test_another_origin_frames_the_page_only_when_it_is_named(browser: Browser, tmp_path: Path) -> None:
    async def framing(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            body = b"<!doctype html><iframe src='" + scope["query_string"] + b"'></iframe>"
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
            await send({"type": "http.response.body", "body": body})

    with served(framing) as outside:
        for number, named in enumerate(((), (outside,))):
            folder = tmp_path / str(number)
            folder.mkdir()
            api = Api(folder, api={"frame_ancestors": named})
            with served(api.app) as url, watched(browser) as (page, said):
                page.goto(f"{outside}/?{url}/")
                page.wait_for_timeout(500)
                shown = page.frames[1].locator("#corpus").count() if len(page.frames) > 1 else 0
                assert shown == len(named), said
            api.close()
