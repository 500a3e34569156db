"""Hostile answers in a real Chromium, on the page and in the widget: no script runs, no request leaves."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site
from tests.browser.test_chat import ask
from tests.browser.test_widget import QUESTION, Intranet, intranet, make_widget
from tests.fakes.catcher import Catcher, catching_server
from tests.fakes.hostile_answers import hostile_answers
from tests.fakes.web_api import Event, FakeMoat, citation, whole

pytestmark = pytest.mark.browser
__all__ = ["intranet"]  # a fixture that this module's tests ask for by name
COUNT = 200
# Asks as a person would, one question after the other, but from inside: typing 200 questions takes minutes.
ASK_ALL = """async (count) => {
  const chat = document.querySelector("moat-chat");
  for (let at = 0; at < count; at++) {
    await chat.ask(`Question ${at}`);
    const turns = chat.shadowRoot.querySelectorAll("article.turn");
    turns[turns.length - 1].querySelector(".marker, .source")?.click();
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
}"""
# What is on the page besides what Moat itself puts there.
FOUND = """() => {
  const root = document.querySelector("moat-chat").shadowRoot;
  const active = "script,img,iframe,object,embed,link,style,meta,base,form form,video,audio,template,frame,math,a";
  const inside = [...root.querySelectorAll("article.turn *")];
  const handlers = inside.filter((e) => [...e.attributes].some(({ name }) => /^on|^style$|^src|^href$/i.test(name)));
  return {
    ran: "ran" in window,
    turns: root.querySelectorAll("article.turn").length,
    states: [...new Set([...root.querySelectorAll(".answer")].map((e) => e.dataset.state))],
    active: inside.filter((e) => e.matches(active)).map((e) => e.outerHTML),
    handlers: handlers.map((e) => e.outerHTML.slice(0, 200)),
  };
}"""


@pytest.fixture
def catcher(site: Site) -> Iterator[Catcher]:
    with catching_server() as running:
        yield running
    assert running.caught == []


def script(fake: FakeMoat, catcher: Catcher, count: int = COUNT) -> None:
    """Have the server give one hostile answer after the other, hostile in every field that is shown."""
    for text in hostile_answers(catcher.url, count):
        short = text[:400]
        cited = citation(1, short, short, corpus=short, page=1)
        links = ["javascript:window.ran=1", "data:text/html,<script>parent.ran=1</script>"]
        answer: dict[str, Any] = whole(text, [cited], note=short, model=short, links=links, flags=[short])
        events: list[Event] = [("sources", {"passages": [{"document_id": short, "text": short}]})]
        events += [("token", {"text": text}), ("citation", cited), ("done", answer)]
        fake.script.append(events)


def check(page: Page, count: int = COUNT) -> None:
    found = page.evaluate(FOUND)
    assert found["turns"] == count
    assert not found["ran"]
    assert found["active"] == []
    assert found["handlers"] == []
    assert found["states"] == ["done"]


def test_page_shows_hostile_answers_as_text_and_stays_usable(page: Page, site: Site, catcher: Catcher) -> None:
    fake = site.scripted()
    script(fake, catcher)
    page.goto(site.page_url)
    expect(page.locator("#corpus")).to_be_enabled()
    page.evaluate(ASK_ALL, COUNT)
    check(page)
    fake.script.append([("done", whole("Permits are renewed in March.", []))])
    expect(ask(page, QUESTION).locator(".body")).to_contain_text("Permits are renewed in March.")


@pytest.mark.parametrize("policy", ["none", pytest.param("strict", marks=pytest.mark.soak)])
def test_widget_shows_hostile_answers_as_text_also_where_the_host_has_no_policy(
    page: Page, site: Site, intranet: Intranet, catcher: Catcher, policy: str
) -> None:
    fake = site.scripted()
    widget = make_widget(site, intranet.url)
    script(fake, catcher)
    if policy == "none":
        intranet.policy = "default-src * data: blob: 'unsafe-inline' 'unsafe-eval'"
    element = f'<moat-chat widget="{widget}"></moat-chat>'
    intranet.body = f'<script src="{site.url}/widget.js" defer></script>{element}'
    page.goto(intranet.url)
    expect(page.get_by_role("textbox", name="Ask a question")).to_be_visible()
    page.evaluate(ASK_ALL, COUNT)
    check(page)
    fake.script.append([("done", whole("Permits are renewed in March.", []))])
    page.get_by_role("textbox", name="Ask a question").fill(QUESTION)
    page.keyboard.press("Enter")
    expect(page.locator("article.turn .body").last).to_contain_text("Permits are renewed in March.")


def test_only_addresses_that_the_server_allowed_become_links(page: Page, site: Site) -> None:
    allowed, other = "https://intranet.example.com/permits?year=2026", "https://elsewhere.example.net/"
    text = f"See {allowed}, not {other} and not javascript:alert(1)."
    done = whole(text, [], links=[allowed, "javascript:alert(1)"])
    site.scripted().script.append([("token", {"text": text}), ("done", done)])
    page.goto(site.page_url)
    turn = ask(page, QUESTION)
    link = turn.locator(".body a")
    expect(link).to_have_count(1)
    expect(link).to_have_attribute("href", allowed)
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
    expect(turn.locator(".body")).to_contain_text(f"not {other} and not")
