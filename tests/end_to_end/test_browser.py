"""A real Chromium on the real platform: the page, and the widget on a page of another origin."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from cli.up import Platform
from tests.browser.conftest import Site, browser, page
from tests.browser.test_chat import ask, ready_with
from tests.browser.test_page import row
from tests.browser.test_widget import Intranet, intranet, make_widget
from tests.fakes.platform import running_platform

pytestmark = [pytest.mark.browser, pytest.mark.end_to_end]
__all__ = ["browser", "intranet", "page"]  # fixtures that this module's tests ask for by name
HANDBOOK = "The canteen opens at half past seven on weekdays.\n\nParking permits are renewed every March.\n"
QUESTION = "When are parking permits renewed?"
DOCUMENTS = Path(__file__).parents[2] / "evaluation" / "sample" / "documents"


@pytest.fixture(scope="module")
def moat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running_platform(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def site(moat: Platform) -> Site:
    return Site(moat.url, moat.admin_key, own_hosts={urlsplit(moat.url).netloc})


def test_an_upload_becomes_ready_and_is_quoted(page: Page, site: Site, tmp_path: Path) -> None:
    ready_with(page, site, tmp_path, "handbook.txt", HANDBOOK)
    turn = ask(page, QUESTION)
    expect(turn.locator(".body")).to_contain_text("renewed every March", timeout=60_000)
    expect(turn.locator(".cost")).to_contain_text("free · extractive")
    turn.locator(".marker").first.click()
    expect(turn.locator("blockquote").first).to_contain_text("Parking permits are renewed every March.")
    turn.get_by_role("button", name="Open document").first.click()
    expect(page.locator("dialog mark")).to_contain_text("Parking permits are renewed every March.")


def test_a_quote_from_a_pdf_names_its_page_and_opens_there(page: Page, site: Site) -> None:
    page.goto(site.page_url)
    manual = next((DOCUMENTS).rglob("*manual*.pdf"))
    page.locator("#files").set_input_files(manual)
    expect(row(page, manual.name)).to_have_attribute("data-state", "ready", timeout=90_000)
    turn = ask(page, "What has to be checked about the harness before work at height?")
    expect(turn.locator(".marker").first).to_be_visible(timeout=60_000)
    turn.locator(".marker").first.click()
    expect(turn.locator("blockquote").first).not_to_be_empty()
    expect(turn).to_contain_text("Page ")


def test_a_file_that_cannot_be_read_says_why(page: Page, site: Site, tmp_path: Path) -> None:
    page.goto(site.page_url)
    picture = tmp_path / "photo.gif"
    picture.write_bytes(b"GIF89a" + bytes(100))
    page.locator("#files").set_input_files(picture)
    expect(page.get_by_role("alert")).to_contain_text("'photo.gif' is of the kind image/gif")
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7\nnothing that follows is a PDF\n")
    page.locator("#files").set_input_files(broken)
    expect(row(page, "broken.pdf")).to_have_attribute("data-state", "failed", timeout=60_000)


def test_the_widget_answers_on_another_origin_without_a_key(
    page: Page, site: Site, intranet: Intranet, tmp_path: Path
) -> None:
    ready_with(page, site, tmp_path, "permits.txt", HANDBOOK)
    widget = make_widget(site, intranet.url)
    intranet.body = f'<script src="{site.url}/widget.js" data-widget="{widget}" data-heading="Ask HR" defer></script>'
    page.goto(intranet.url)
    page.locator("moat-chat .launcher").click()
    page.get_by_role("textbox", name="Ask a question").fill(QUESTION)
    page.keyboard.press("Enter")
    turn = page.locator("article.turn").last
    expect(turn.locator(".body")).to_contain_text("renewed every March", timeout=60_000)
    turn.locator(".marker").first.click()
    expect(turn.locator("blockquote").first).to_contain_text("Parking permits are renewed every March.")
    assert site.key not in page.content()
