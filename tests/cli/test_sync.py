"""`moat sync` against the real API: a corpus follows a folder, and never loses more than was meant."""

import json
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from cli import sync as sync_module
from cli.address import Address
from cli.client import Client
from tests.fakes.api import Api
from tests.fakes.documents import zipped
from tests.fakes.served import served
from workers.sources.folder import list_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "handbook"
    (made / "pay").mkdir(parents=True)
    (made / "leave.md").write_text("# Leave\n\nEveryone has thirty days of leave.\n")
    (made / "pay" / "day.txt").write_text("Salaries are paid on the twentieth.\n")
    for number in range(8):
        (made / f"{number}.txt").write_text(f"Room {number} has a window.\n")
    return made


def keys(api: Api) -> set[str]:
    return {d["key"] for d in api.admin.get("/v1/corpora/default/documents?limit=500").json()["items"]}


def told(result: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.out)
    return found


def test_a_folder_is_added_and_a_second_time_nothing_is_sent(moat: Any, api: Api, folder: Path) -> None:
    first = told(moat("sync", folder, "--access", "everyone", "--json"))
    assert len(first["add"]) == 10
    assert keys(api) == {f"handbook/{n}.txt" for n in range(8)} | {"handbook/leave.md", "handbook/pay/day.txt"}
    again = told(moat("sync", folder, "--access", "everyone", "--json"))
    assert (again["add"], again["replace"], again["delete"], again["same"]) == ([], [], [], 10)


def test_a_changed_file_is_replaced_and_a_missing_one_deleted(moat: Any, api: Api, folder: Path) -> None:
    moat("sync", folder, "--access", "everyone")
    (folder / "leave.md").write_text("# Leave\n\nEveryone has forty days of leave.\n")
    (folder / "0.txt").unlink()
    result = moat("sync", folder, "--access", "everyone", "--json")
    assert result.code == 0
    assert (told(result)["replace"], told(result)["delete"]) == (["handbook/leave.md"], ["handbook/0.txt"])
    assert "handbook/0.txt" not in keys(api)
    found = api.admin.post("/v1/search", json={"question": "How many days of leave are there?"}).json()
    assert "forty" in found["passages"][0]["text"]


def test_a_dry_run_changes_nothing(moat: Any, api: Api, folder: Path) -> None:
    result = moat("sync", folder, "--access", "everyone", "--dry-run")
    assert result.code == 0
    assert "add handbook/leave.md" in result.out
    assert keys(api) == set()


def test_deleting_over_a_fifth_waits_for_yes_and_the_rest_is_done(moat: Any, api: Api, folder: Path) -> None:
    moat("sync", folder, "--access", "everyone")
    for number in range(3):
        (folder / f"{number}.txt").unlink()
    (folder / "new.txt").write_text("A new page.\n")
    held = moat("sync", folder, "--access", "everyone")
    assert held.code == 1
    assert "--yes" in held.err
    assert {"handbook/0.txt", "handbook/new.txt"} <= keys(api)
    assert moat("sync", folder, "--access", "everyone", "--yes").code == 0
    assert len(keys(api)) == 8


def test_a_partial_listing_deletes_nothing(moat: Any, api: Api, folder: Path) -> None:
    moat("sync", folder, "--access", "everyone")
    (folder / "0.txt").unlink()
    (folder / "gone.txt").symlink_to(folder / "nowhere.txt")
    result = moat("sync", folder, "--access", "everyone")
    assert result.code == 0
    assert "partial" in result.err
    assert "handbook/0.txt" in keys(api)


def test_documents_outside_the_prefix_are_left_alone(moat: Any, api: Api, folder: Path) -> None:
    api.add("other/page.txt", "Not of this folder.\n")
    moat("sync", folder, "--access", "everyone")
    shutil.rmtree(folder / "pay")
    assert moat("sync", folder, "--access", "everyone").code == 0
    assert "other/page.txt" in keys(api)
    assert "handbook/pay/day.txt" not in keys(api)


def test_members_of_an_archive_are_not_taken_for_files_that_are_gone(moat: Any, api: Api, folder: Path) -> None:
    (folder / "old.zip").write_bytes(zipped({f"{n}.txt": f"Shelf {n} is full.\n" for n in range(3)}))
    moat("sync", folder, "--access", "everyone")
    assert len(keys(api)) == 14
    assert told(moat("sync", folder, "--access", "everyone", "--json"))["delete"] == []


def test_a_source_states_who_may_read_it_or_is_not_indexed(moat: Any, api: Api, folder: Path) -> None:
    result = moat("sync", folder)
    assert (result.code, keys(api)) == (1, set())
    assert "--corpus-access" in result.err
    assert moat("sync", folder, "--access", "staff", "--corpus-access").code == 1
    assert moat("sync", folder, "--access", "staff").code == 0
    assert access(api) == {("staff",)}
    again = told(moat("sync", folder, "--access", "staff", "--json"))
    assert again["same"] == 10
    moat("sync", folder, "--access", "hr")
    assert access(api) == {("hr",)}


def test_a_source_may_be_for_those_who_may_read_the_corpus(moat: Any, api: Api, folder: Path) -> None:
    assert moat("sync", folder, "--corpus-access").code == 0
    assert access(api) == {("everyone",)}


def access(api: Api) -> set[tuple[str, ...]]:
    items = api.admin.get("/v1/corpora/default/documents").json()["items"]
    return {tuple(document["access"]) for document in items}


def test_watching_follows_changes_until_it_is_stopped(
    api: Api, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 1:
            (folder / "late.txt").write_text("It came later.\n")
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr(sync_module.time, "sleep", pause)
    with pytest.raises(KeyboardInterrupt):
        sync_module._watch(
            sync_module._Sync(
                Client(lambda: Address(url, api.admin_key)), "default", "h/", None, False, False, False, False
            ),
            lambda: nullcontext(list_folder(folder, "h/")),
            5.0,
        )
    assert "h/late.txt" in keys(api)
    assert looks == [5.0, 5.0]


PAGES = {
    "/sitemap.xml": "<sitemapindex><sitemap><loc>{base}/part.xml</loc></sitemap></sitemapindex>",
    "/part.xml": "<urlset><url><loc> {base}/leave </loc></url><url><loc>{base}/pay?a=1&amp;b=2</loc></url></urlset>",
    "/leave": "<html><body><p>Everyone has thirty days of leave.</p></body></html>",
    "/pay": "<html><body><p>Salaries are paid on the twentieth.</p></body></html>",
}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, dict[str, str]]]:
    pages = dict(PAGES)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = pages.get(scope["path"], "").replace("{base}", base)
        headers = [(b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 200 if body else 404, "headers": headers})
        await send({"type": "http.response.body", "body": body.encode()})

    with served(app) as base:
        monkeypatch.setenv("MOAT_FETCH__ALLOW_HOSTS", json.dumps([base.removeprefix("http://")]))
        yield base, pages


def test_a_sitemap_is_followed_and_a_page_that_does_not_answer_deletes_nothing(
    moat: Any, api: Api, site: tuple[str, dict[str, str]]
) -> None:
    base, pages = site
    result = moat("sync", "--sitemap", f"{base}/sitemap.xml", "--corpus-access", "--json")
    assert result.code == 0, result.err
    wanted = {f"127.0.0.1/{base}/leave", f"127.0.0.1/{base}/pay?a=1&b=2"}
    assert keys(api) == wanted
    del pages["/leave"]
    assert "answered 404" in moat("sync", "--sitemap", f"{base}/sitemap.xml", "--corpus-access").err
    assert keys(api) == wanted


def test_a_list_of_addresses_is_followed_and_the_intranet_is_not(
    moat: Any, api: Api, site: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    base, _ = site
    listed = tmp_path / "pages.txt"
    listed.write_text(f"# ours\n{base}/pay\n\nhttp://169.254.169.254/latest/meta-data\nfile:///etc/passwd\n")
    result = moat("sync", "--urls", listed, "--corpus-access")
    assert keys(api) == {f"pages/{base}/pay"}
    assert "169.254.169.254" in result.err
    assert "not http or https" in result.err


def test_one_source_is_followed_at_a_time(moat: Any, folder: Path, tmp_path: Path) -> None:
    assert moat("sync").code == 1
    assert moat("sync", folder, "--access", "everyone", "--urls", tmp_path / "x").code == 1
