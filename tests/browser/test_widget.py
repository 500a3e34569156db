"""The widget on a page of another origin: one tag, a session instead of a key, and manners towards its host."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site
from tests.fakes.served import served
from tests.fakes.web_api import whole

pytestmark = pytest.mark.browser
QUESTION = "When are parking permits renewed?"


class Intranet:
    """A page of another origin that allows Moat's and nothing else; its body is what a test puts there."""

    def __init__(self, moat: str) -> None:
        self.policy = f"default-src 'self'; script-src {moat}; connect-src {moat}; img-src data:"
        self.url = ""
        self.body = ""
        self.app = FastAPI()
        self.app.get("/")(self.page)
        self.app.get("/vouch")(self.vouch)

    def page(self) -> HTMLResponse:
        head = "<!doctype html><title>Intranet</title><link rel=icon href=data:,>"
        return HTMLResponse(f"{head}<h1>Intranet</h1>{self.body}", headers={"Content-Security-Policy": self.policy})

    def vouch(self, request: Request) -> PlainTextResponse:
        visitor = request.cookies.get("visitor")
        return PlainTextResponse(f"signed for {visitor}\n", 200 if visitor else 403)


@pytest.fixture
def intranet(site: Site) -> Iterator[Intranet]:
    host = Intranet(site.url)
    with served(host.app) as url:
        host.url = url
        site.own_hosts.add(urlsplit(url).netloc)
        yield host


def make_widget(site: Site, origin: str) -> str:
    bearer = {"Authorization": f"Bearer {site.key}"}
    with httpx.Client(base_url=site.url, headers=bearer, trust_env=False) as client:
        corpus = client.get("/v1/corpora").raise_for_status().json()["items"][0]["id"]
        body = {"name": "Intranet", "origins": [origin], "corpora": [corpus], "groups": ["everyone"]}
        return str(client.post("/v1/widgets", json=body).raise_for_status().json()["id"])


def test_one_tag_places_a_chat_that_answers(page: Page, site: Site, intranet: Intranet) -> None:
    widget = make_widget(site, intranet.url)
    if site.fake:
        (corpus,) = site.fake.corpora
        site.fake.add_document(corpus, "parking.txt", "Parking permits are renewed every March.", state="ready")
    intranet.body = f'<script src="{site.url}/widget.js" data-widget="{widget}" data-heading="Ask HR" defer></script>'
    page.goto(intranet.url)
    launcher = page.locator("moat-chat .launcher")
    launcher.click()
    field = page.get_by_role("textbox", name="Ask a question")
    expect(field).to_be_focused()
    field.fill(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator("article.turn .answer")).to_have_attribute("data-state", "done" if site.fake else "abstained")
    if site.fake:
        page.locator("article.turn .marker").click()
        expect(page.locator("blockquote")).to_have_text("Parking permits are renewed every March.")
        page.keyboard.press("Escape")
        expect(page.locator("blockquote")).to_be_hidden()
        assert site.key not in page.content()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Ask HR")).to_be_hidden()
    expect(launcher).to_be_focused()


def test_inline_element_answers_without_a_key(page: Page, site: Site, intranet: Intranet) -> None:
    widget = make_widget(site, intranet.url)
    site.scripted().script.append([("done", whole("In March.", []))])
    element = f'<moat-chat widget="{widget}"></moat-chat>'
    intranet.body = f'<script src="{site.url}/widget.js" defer></script>{element}'
    page.goto(intranet.url)
    page.get_by_role("textbox", name="Ask a question").fill(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator("article.turn .body")).to_contain_text("In March.")


def test_key_set_before_the_module_arrived_is_used(page: Page, site: Site) -> None:
    site.scripted().script.append([("done", whole("In March.", []))])
    page.route("**/static/chat/element.js", lambda route: route.abort())
    page.goto(site.url)
    page.evaluate("key => { document.querySelector('moat-chat').token = key; }", site.key)
    page.unroute("**/static/chat/element.js")
    page.evaluate("() => import('/static/chat/element.js?again')")
    page.get_by_role("textbox", name="Ask about these documents").fill(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator("article.turn .body")).to_contain_text("In March.")


def test_ended_session_is_renewed_within_the_question(page: Page, site: Site, intranet: Intranet) -> None:
    fake = site.scripted()
    widget = make_widget(site, intranet.url)
    fake.script.extend([[("done", whole("First.", []))], [("done", whole("Second.", []))]])
    intranet.body = f'<script src="{site.url}/widget.js" data-widget="{widget}" defer></script>'
    page.goto(intranet.url)
    page.locator("moat-chat .launcher").click()
    for expected in ("First.", "Second."):
        page.get_by_role("textbox", name="Ask a question").fill(QUESTION)
        page.keyboard.press("Enter")
        expect(page.locator("article.turn .body").last).to_contain_text(expected)
        fake.sessions.clear()


def test_site_that_is_not_allowed_is_told_what_to_check(page: Page, site: Site, intranet: Intranet) -> None:
    widget = make_widget(site, "https://somewhere-else.example.com")
    intranet.body = f'<script src="{site.url}/widget.js" data-widget="{widget}" defer></script>'
    page.goto(intranet.url)
    page.locator("moat-chat .launcher").click()
    page.get_by_role("textbox", name="Ask a question").fill(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator("article.turn .problem")).to_contain_text("list of allowed sites")


def test_host_page_does_not_hear_what_is_typed(page: Page, site: Site, intranet: Intranet) -> None:
    widget = make_widget(site, intranet.url)
    intranet.body = f'<script src="{site.url}/widget.js" data-widget="{widget}" defer></script>'
    page.goto(intranet.url)
    page.evaluate("() => { window.heard = []; addEventListener('keydown', ({ key }) => window.heard.push(key)); }")
    page.locator("moat-chat .launcher").click()
    page.keyboard.type("hi")
    expect(page.get_by_role("textbox", name="Ask a question")).to_have_value("hi")
    assert page.evaluate("window.heard") == []


def test_page_vouches_for_its_visitor(page: Page, site: Site, intranet: Intranet) -> None:
    moat = site.scripted()
    widget = make_widget(site, intranet.url)
    intranet.policy = intranet.policy.replace("connect-src", "connect-src 'self'")
    tag = f'<script src="{site.url}/widget.js" data-widget="{widget}" data-signature-url="/vouch" defer></script>'
    intranet.body = tag
    page.goto(intranet.url)
    page.locator("moat-chat .launcher").click()
    page.get_by_role("textbox", name="Ask a question").fill(QUESTION)
    page.keyboard.press("Enter")
    expect(page.get_by_text("This page did not say who you are", exact=True)).to_be_visible()
    assert moat.signatures == []
    page.context.add_cookies([{"name": "visitor", "value": "ann", "url": intranet.url}])
    page.get_by_role("textbox", name="Ask a question").fill(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator("article.turn .answer").last).to_have_attribute("data-state", "abstained")
    assert moat.signatures == ["signed for ann"]
