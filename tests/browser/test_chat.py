"""The chat on Moat's own page: streaming, citations, cost, refusals, faults and the keyboard."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Site
from tests.browser.test_page import row, upload
from tests.fakes.web_api import Hold, citation, whole

pytestmark = pytest.mark.browser
HANDBOOK = "The canteen opens at half past seven on weekdays.\nParking permits are renewed every March.\n"
QUESTION = "When are parking permits renewed?"
HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


def ask(page: Page, question: str) -> Locator:
    page.get_by_role("textbox", name="Ask about these documents").fill(question)
    page.keyboard.press("Enter")
    return page.locator("article.turn").last


def ready_with(page: Page, site: Site, folder: Path, name: str, text: str) -> None:
    page.goto(site.page_url)
    upload(page, folder, name, text)
    expect(row(page, name)).to_have_attribute("data-state", "ready", timeout=60_000)


def test_answer_cites_the_uploaded_document_and_shows_its_cost(page: Page, site: Site, tmp_path: Path) -> None:
    ready_with(page, site, tmp_path, "handbook.txt", HANDBOOK)
    turn = ask(page, QUESTION)
    expect(turn.locator(".body")).to_contain_text("renewed every March")
    expect(turn.locator(".cost")).to_contain_text("free · extractive")
    marker = turn.locator(".marker").first
    expect(marker).to_have_attribute("aria-expanded", "false")
    marker.click()
    expect(marker).to_have_attribute("aria-expanded", "true")
    expect(turn.locator("blockquote").first).to_contain_text("Parking permits are renewed every March.")
    turn.get_by_role("button", name="Open document").first.click()
    expect(page.locator("dialog mark")).to_contain_text("Parking permits are renewed every March.")


def test_question_without_an_answer_is_told_apart(page: Page, site: Site, tmp_path: Path) -> None:
    ready_with(page, site, tmp_path, "handbook.txt", HANDBOOK)
    turn = ask(page, "Which glacier feeds the Rhone?")
    expect(turn.locator(".answer")).to_have_attribute("data-state", "abstained")
    expect(turn).to_contain_text("Not found in the documents")
    expect(turn.locator(".marker")).to_have_count(0)


def test_next_question_belongs_to_the_conversation_until_a_new_one_is_begun(page: Page, site: Site) -> None:
    moat = site.scripted()
    moat.script.extend([("done", whole("In March.", [], conversation_id="c1"))] for _ in range(3))
    page.goto(site.page_url)
    anew = page.get_by_role("button", name="New conversation")
    expect(anew).to_be_hidden()
    expect(ask(page, QUESTION)).to_contain_text("In March.")
    expect(ask(page, "What does it cost?")).to_contain_text("In March.")
    anew.click()
    expect(page.locator("article.turn")).to_have_count(0)
    expect(anew).to_be_hidden()
    expect(ask(page, "When is lunch?")).to_contain_text("In March.")
    assert [body.get("conversation_id") for body in moat.asked] == [None, "c1", None]


def test_conversation_that_the_server_no_longer_knows_begins_anew(page: Page, site: Site) -> None:
    moat = site.scripted()
    moat.conversations.add("c2")
    moat.script.extend([("done", whole("In March.", [], conversation_id=name))] for name in ("c1", "c2"))
    page.goto(site.page_url)
    expect(ask(page, QUESTION)).to_contain_text("In March.")
    expect(ask(page, "What does it cost?")).to_contain_text("In March.")
    assert [body.get("conversation_id") for body in moat.asked] == [None, "c1", None]
    expect(page.locator("moat-chat .begun")).to_contain_text("no longer known")


def test_text_streams_and_done_replaces_it(page: Page, site: Site) -> None:
    hold = Hold()
    cited = citation(1, "Handbook", "Permits are renewed every March.")
    site.scripted().script.append(
        [
            ("sources", {"passages": [{"document_id": "a"}, {"document_id": "b"}]}),
            ("token", {"text": "Permits are renewed in May [1]."}),
            ("citation", cited),
            hold,
            ("done", whole("Permits are renewed in **March** [1]. See [7].", [cited])),
        ]
    )
    page.goto(site.page_url)
    turn = ask(page, QUESTION)
    expect(turn.locator(".body")).to_contain_text("in May")
    expect(turn.locator(".marker")).to_have_text(["1"])
    hold.gate.set()
    expect(turn.locator(".body strong")).to_have_text("March")
    expect(turn.locator(".body")).not_to_contain_text("May")
    expect(turn.locator(".body")).to_contain_text("See [7].")


def test_cost_line_adds_up_the_calls_and_unfolds_to_each(page: Page, site: Site) -> None:
    call = {
        "kind": "answer", "provider": "openai", "model": "gpt-4o-mini", "input_tokens": 1204, "cached_tokens": 1024,
        "output_tokens": 87, "reasoning_tokens": 0, "cost_usd": "0.000123", "usage": "reported",
        "price_version": "1", "attempt": 1, "status": "ok",
    }  # fmt: skip
    cost = {"total_usd": "0.00012300", "saved_usd": "0", "calls": [call]}
    done = whole("In March.", [], cost=cost, model="openai/gpt-4o-mini", timings={"total_ms": 812.5})
    site.scripted().script.append([("done", done)])
    page.goto(site.page_url)
    turn = ask(page, QUESTION)
    line = turn.locator(".cost summary")
    expect(line).to_have_text("$0.000123 · openai/gpt-4o-mini · 1,204 + 87 tokens · 0.8 s")
    line.click()
    expect(turn.locator(".cost td")).to_contain_text(["answer", "openai/gpt-4o-mini", "1,204 (1,024 cached)", "87"])


def test_error_event_shows_detail_and_hint_and_can_be_tried_again(page: Page, site: Site) -> None:
    told = {"type": "x", "title": "The model's provider failed", "status": 502, "detail": "No answer.", "hint": "Wait."}
    script = site.scripted().script
    script.append([("token", {"text": "Permits"}), ("error", told)])
    script.append([("done", whole("Permits are renewed in March.", []))])
    page.goto(site.page_url)
    turn = ask(page, QUESTION)
    expect(turn.locator(".problem")).to_contain_text("No answer.")
    expect(turn.locator(".problem")).to_contain_text("Wait.")
    turn.get_by_role("button", name="Try again").click()
    expect(page.locator("article.turn").last.locator(".body")).to_contain_text("in March")


def test_stream_that_breaks_off_is_an_error_not_an_answer(page: Page, site: Site) -> None:
    site.scripted().script.append([("token", {"text": "Permits are"})])
    page.goto(site.page_url)
    expect(ask(page, QUESTION).locator(".problem")).to_contain_text("before the answer was complete")


def test_stop_ends_the_stream_on_both_sides(page: Page, site: Site) -> None:
    fake = site.scripted()
    fake.script.append([("token", {"text": "Permits are"}), Hold()])
    page.goto(site.page_url)
    turn = ask(page, QUESTION)
    expect(turn.locator(".body")).to_contain_text("Permits are")
    page.get_by_role("button", name="Stop").click()
    expect(turn.locator(".answer")).to_have_attribute("data-state", "stopped")
    expect(page.get_by_role("button", name="Send")).to_be_visible()
    for _ in range(100):
        if fake.abandoned:
            break
        page.wait_for_timeout(50)
    assert fake.abandoned == 1


def test_everything_is_reachable_by_keyboard(page: Page, site: Site) -> None:
    cited = citation(1, "Handbook", "Permits are renewed every March.")
    site.scripted().script.append([("done", whole("Permits are renewed in March [1].", [cited]))])
    page.goto(site.page_url)
    expect(page.locator("#corpus")).to_be_enabled()
    field = page.get_by_role("textbox", name="Ask about these documents")
    field.focus()
    page.keyboard.type("When are permits")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("renewed?")
    expect(field).to_have_value("When are permits\nrenewed?")
    page.keyboard.press("Enter")
    marker = page.locator("article.turn .marker")
    expect(marker).to_be_visible()
    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        if marker.evaluate("node => node.getRootNode().activeElement === node"):
            break
    page.keyboard.press("Enter")
    expect(page.locator("blockquote")).to_have_text("Permits are renewed every March.")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Open document")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("blockquote")).to_be_hidden()
    expect(marker).to_be_focused()


def test_answer_is_announced_once_it_is_whole(page: Page, site: Site) -> None:
    site.scripted().script.append([("token", {"text": "Perm"}), ("done", whole("Permits are renewed in March.", []))])
    page.goto(site.page_url)
    ask(page, QUESTION)
    status = page.locator("moat-chat [role=status]")
    expect(status).to_have_text("Permits are renewed in March.")
    expect(status).to_have_attribute("aria-live", "polite")


def test_thumb_is_sent_for_this_answer(page: Page, site: Site) -> None:
    fake = site.scripted()
    done = whole("In March.", [])
    fake.script.append([("done", done)])
    page.goto(site.page_url)
    thumb = ask(page, QUESTION).get_by_role("button", name="Good answer")
    thumb.click()
    expect(thumb).to_have_attribute("aria-pressed", "true")
    assert fake.feedback == [{"answer": done["id"], "rating": "up", "comment": ""}]


def test_only_the_chosen_corpus_is_asked(page: Page, site: Site) -> None:
    fake = site.scripted()
    fake.script.append([("done", whole("In March.", []))])
    page.goto(site.page_url)
    expect(ask(page, QUESTION).locator(".body")).to_contain_text("In March.")
    assert fake.asked == [{"question": QUESTION, "stream": True, "corpora": list(fake.corpora)}]


def test_a_question_asked_before_the_corpora_are_known_waits_for_them(page: Page, site: Site) -> None:
    fake = site.scripted()
    fake.script.append([("done", whole("In March.", []))])
    held: list[Route] = []
    page.route("**/v1/corpora?*", lambda route: held.append(route))
    page.goto(site.page_url)
    turn = ask(page, QUESTION)
    while not held:
        page.wait_for_timeout(20)
    assert fake.asked == []
    held[0].continue_()
    expect(turn.locator(".body")).to_contain_text("In March.")
    assert fake.asked == [{"question": QUESTION, "stream": True, "corpora": list(fake.corpora)}]


def test_hostile_text_stays_text(page: Page, site: Site, tmp_path: Path) -> None:
    sentence = f"Parking permits {HOSTILE} are renewed every March."
    ready_with(page, site, tmp_path, "<img src=x onerror=alert(3)>.txt", sentence)
    turn = ask(page, QUESTION)
    expect(turn.locator(".body")).to_contain_text("<img src=x")
    turn.locator(".marker").first.click()
    expect(turn.locator("blockquote").first).to_contain_text(HOSTILE)
    assert turn.locator("img, script").count() == 0
    turn.get_by_role("button", name="Open document").first.click()
    expect(page.locator("dialog mark")).to_contain_text(HOSTILE)
    assert page.locator("dialog img, dialog script, li.document img").count() == 0


def test_hostile_address_never_becomes_a_link(page: Page, site: Site) -> None:
    cited = citation(1, HOSTILE, HOSTILE, url="javascript:alert(4)")
    done = whole(f"See [this](javascript:alert(5)) {HOSTILE} [1]", [cited], note=HOSTILE)
    site.scripted().script.append([("done", done)])
    page.goto(site.page_url)
    turn = ask(page, QUESTION)
    turn.locator(".marker").click()
    expect(turn.locator("blockquote")).to_have_text(HOSTILE)
    assert turn.locator("a, img, script").count() == 0


def test_reader_marks_the_quote_after_characters_beyond_the_basic_plane(page: Page, site: Site) -> None:
    fake = site.scripted()
    (corpus,) = fake.corpora
    text = "Welcome \U0001f3f0\U0001f3f0 aboard.\fParking permits are renewed every March."
    document = fake.add_document(corpus, "castle.txt", text, state="ready")
    quote = "renewed every March."
    span = [text.index(quote), text.index(quote) + len(quote)]
    cited = citation(1, "castle.txt", quote, document_id=document["id"], span=span)
    fake.script.append([("done", whole("In March [1].", [cited]))])
    page.goto(site.page_url)
    turn = ask(page, QUESTION)
    turn.locator(".marker").click()
    turn.get_by_role("button", name="Open document").click()
    expect(page.locator("dialog mark")).to_have_text(quote)
    expect(page.locator("dialog h3")).to_have_text(["Page 1", "Page 2"])
