"""A llama-index reader in its child: its limits, its network, and what is believed of it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.followed import Followed, page
from tests.fakes.served import served


@pytest.mark.parametrize(
    ("act", "options", "said"),
    [
        ("die", {}, "SIGKILL"),
        ("hang", {"wall_s": 2.0}, "longer than 2 seconds"),
        ("spin", {"cpu_s": 1}, "CPU seconds"),
        ("eat", {"memory_bytes": 400_000_000}, "memory_bytes"),
    ],
)
def test_a_reader_that_dies_or_breaks_a_limit_leaves_a_partial_listing(
    quick: Followed, tmp_path: Path, act: str, options: dict[str, Any], said: str
) -> None:
    row = quick.pages(page(0), {"do": act}, **options)
    assert row.state == "partial"
    assert said in (row.error or "")
    assert quick.keys() == {"room-0"}
    assert not (tmp_path / "run" / "sources" / "wiki").exists()


def test_a_class_outside_the_allowlist_is_never_imported(quick: Followed) -> None:
    row = quick.pages(page(0), reader="os.system", arguments={})
    assert (row.state, quick.keys()) == ("failed", set())
    assert "not in the allowlist" in (row.error or "")
    assert "[readers] allow" in (row.hint or "")


def test_a_reader_reaches_the_hosts_that_its_source_names_and_no_other(quick: Followed) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("nobody asks anything")

    with served(app) as here, served(app) as there:
        port, other = (int(url.rpartition(":")[2]) for url in (here, there))
        assert quick.pages({"do": "connect", "port": port}, page(0)).state == "partial"
        row = quick.pages({"do": "connect", "port": port}, page(0), network=(f"127.0.0.1:{port}",))
        assert (row.state, row.error) == ("done", None)
        row = quick.pages({"do": "connect", "port": other}, page(0), network=(f"127.0.0.1:{port}",))
        assert "is not allowed" in (row.error or "")
        assert quick.pages({"do": "connect", "port": other}, page(0), network=("*",)).state == "done"


def test_a_reader_writes_nowhere_and_sees_no_secret_of_the_worker(
    quick: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOAT_PROVIDERS__X__API_KEY", "sk-secret")
    assert quick.pages({"do": "must_lack", "name": "MOAT_PROVIDERS__X__API_KEY"}, page(0)).state == "done"
    target = quick.folder / "written"
    assert "is not allowed" in (quick.pages({"do": "write", "path": str(target)}).error or "")
    assert not target.exists()


def test_a_real_reader_of_llama_index_is_followed(quick: Followed) -> None:
    reader = "llama_index.core.readers.json.JSONReader"
    (quick.folder / "staff.json").write_text(json.dumps({"name": "Ada", "room": "Room 7 has a window"}))
    quick.state(
        reader=reader,
        load={"input_file": str(quick.folder / "staff.json"), "extra_info": {"page": "staff"}},
        id_from="page",
        access=("staff",),
    )
    settings = quick.shop.parts.settings
    readers = settings.readers.model_copy(update={"allow": (reader,)})
    object.__setattr__(quick.shop.parts, "settings", settings.model_copy(update={"readers": readers}))
    quick.ask()
    assert quick.again().error is None
    assert quick.keys() == {"staff"}


def test_ids_that_come_twice_leave_the_listing_partial(quick: Followed) -> None:
    row = quick.pages(page(0), page(0, "has a door"))
    assert row.state == "partial"
    assert "room-0" in (row.error or "")


@pytest.mark.parametrize("steps", [[["", "No id.", {}]], [["a\nb", "Lines.", {}]]])
def test_ids_become_printable_keys_or_are_refused(quick: Followed, steps: Sequence[Any]) -> None:
    quick.pages(*steps)
    assert all(key.isprintable() and key for key in quick.documents())
