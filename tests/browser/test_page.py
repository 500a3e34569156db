"""The page at `/`: keys, uploads, the document list and the tag for other sites."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Site

pytestmark = pytest.mark.browser
HANDBOOK = "The canteen opens at half past seven on weekdays. Parking permits are renewed every March.\n"


def upload(page: Page, folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(text)
    page.locator("#files").set_input_files(path)


def row(page: Page, name: str) -> Locator:
    return page.locator("li.document", has_text=name)


def test_key_in_the_address_opens_the_page_and_leaves_the_address(page: Page, site: Site) -> None:
    page.goto(site.page_url)
    expect(page.locator("#corpus")).to_be_enabled()
    assert page.url == f"{site.url}/"
    page.reload()
    expect(page.locator("#corpus")).to_be_enabled()


def test_page_asks_for_the_key_until_it_is_right(page: Page, site: Site) -> None:
    page.goto(site.url)
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Key").fill("wrong")
    dialog.get_by_role("button", name="Open").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Key").fill(site.key)
    dialog.get_by_role("button", name="Open").click()
    expect(dialog).to_have_count(0)
    expect(page.locator("#corpus")).to_be_enabled()


def test_key_that_arrives_while_the_page_asks_for_one_is_taken(page: Page, site: Site) -> None:
    page.goto(site.url)
    expect(page.get_by_role("dialog")).to_be_visible()
    page.goto(site.page_url)
    expect(page.locator("#corpus")).to_be_enabled()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_uploaded_file_becomes_ready_without_a_reload(page: Page, site: Site, tmp_path: Path) -> None:
    page.goto(site.page_url)
    upload(page, tmp_path, "handbook.txt", HANDBOOK)
    expect(row(page, "handbook.txt")).to_have_attribute("data-state", "ready", timeout=60_000)
    expect(row(page, "handbook.txt")).to_contain_text("chunk")


def test_list_is_polled_only_while_something_is_in_work(page: Page, site: Site, tmp_path: Path) -> None:
    page.clock.install()
    page.goto(site.page_url)
    upload(page, tmp_path, "handbook.txt", HANDBOOK)
    for _ in range(60):
        page.clock.run_for(1000)
        if row(page, "handbook.txt").get_attribute("data-state") == "ready":
            break
    expect(row(page, "handbook.txt")).to_have_attribute("data-state", "ready")
    later: list[str] = []
    page.on("request", lambda request: later.append(request.url))
    page.clock.run_for(30_000)
    page.evaluate("() => fetch('health-of-nothing')")  # a full turn of the network, so that a poll would have shown
    assert [url for url in later if "documents" in url] == []


def test_dropped_files_are_uploaded(page: Page, site: Site) -> None:
    page.goto(site.page_url)
    transfer = page.evaluate_handle(
        """() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File(["Parking permits are renewed every March."], "parking.txt"));
            transfer.items.add(new File(["The canteen opens at half past seven."], "canteen.txt"));
            return transfer;
        }"""
    )
    page.locator(".upload").dispatch_event("drop", {"dataTransfer": transfer})
    expect(row(page, "parking.txt")).to_have_attribute("data-state", "ready", timeout=60_000)
    expect(row(page, "canteen.txt")).to_have_attribute("data-state", "ready", timeout=60_000)


def test_refused_file_says_why_and_what_to_do(page: Page, site: Site, tmp_path: Path) -> None:
    site.scripted()
    page.goto(site.page_url)
    upload(page, tmp_path, "setup.exe", "MZ")
    note = page.locator(".notes .note")
    expect(note).to_contain_text("setup.exe: Moat has no reader for .exe files.")
    expect(note).to_contain_text("Send a PDF.")
    note.get_by_role("button", name="Dismiss").click()
    expect(note).to_have_count(0)


def test_failed_document_shows_reason_and_can_be_tried_again(page: Page, site: Site, tmp_path: Path) -> None:
    page.goto(site.page_url)
    upload(page, tmp_path, "broken.pdf", "%PDF-1.7\nthis is where it ends")
    failed = row(page, "broken.pdf")
    expect(failed).to_have_attribute("data-state", "failed", timeout=60_000)
    expect(failed.get_by_role("alert")).to_have_text(re.compile(r"\w+"))
    if site.fake:
        expect(failed).to_contain_text("The PDF ends early.")
        expect(failed).to_contain_text("Save it again from its source.")
    with page.expect_request(re.compile(r"/v1/documents/[^/]+/retry$")) as sent:
        failed.get_by_role("button", name="Try broken.pdf again").click()
    assert sent.value.method == "POST"


def test_document_is_deleted_only_after_a_second_yes(page: Page, site: Site, tmp_path: Path) -> None:
    page.goto(site.page_url)
    upload(page, tmp_path, "old.txt", HANDBOOK)
    document = row(page, "old.txt")
    expect(document).to_have_attribute("data-state", "ready", timeout=60_000)
    document.get_by_role("button", name="Delete old.txt").click()
    document.get_by_role("button", name="Keep").click()
    expect(document).to_have_attribute("data-state", "ready")
    document.get_by_role("button", name="Delete old.txt").click()
    document.get_by_role("button", name="Delete", exact=True).click()
    expect(document).to_have_count(0, timeout=60_000)


def test_new_corpus_can_be_made_and_is_chosen(page: Page, site: Site) -> None:
    page.goto(site.page_url)
    page.get_by_role("button", name="New corpus").click()
    page.get_by_label("Name").fill("contracts")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#corpus option:checked")).to_have_text("contracts")


def test_intranet_tag_names_this_server_and_the_new_widget(page: Page, site: Site) -> None:
    page.goto(site.page_url)
    page.get_by_role("button", name="Put this on your intranet").click()
    page.get_by_label("Sites that may show it").fill("https://intranet.example.com/\nhttps://wiki.example.com")
    with page.expect_request("**/v1/widgets") as sent:
        page.get_by_role("button", name="Make the tag").click()
    assert sent.value.post_data_json["origins"] == ["https://intranet.example.com", "https://wiki.example.com"]
    tag = re.compile(rf'^<script src="{re.escape(site.url)}/widget\.js" data-widget="wid_\w+" defer></script>$')
    expect(page.locator("pre.tag")).to_have_text(tag)


@pytest.mark.parametrize("width", [375, 1280])
def test_nothing_is_wider_than_the_window(page: Page, site: Site, tmp_path: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(site.page_url)
    if width < 800:
        page.get_by_role("button", name="Documents").click()
    upload(page, tmp_path, f"{'a-very-long-name-' * 9}.txt", HANDBOOK)
    expect(row(page, "a-very-long-name")).to_have_attribute("data-state", "ready", timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_link_with_a_key_asks_first_where_it_did_not_come_from_this_machine(page: Page, site: Site) -> None:
    site.scripted()
    there = site.url.replace("127.0.0.1", "moat.localhost")
    site.own_hosts.add(urlsplit(there).netloc)
    page.goto(f"{there}/#key={site.key}")
    asked = page.get_by_role("dialog", name="Use the key in this link?")
    asked.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog", name="Welcome to Moat")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
    assert site.key not in page.url
    page.goto(f"{there}/#key={site.key}")
    asked.get_by_role("button", name="Use it").click()
    expect(page.locator("#corpus")).to_be_enabled()
