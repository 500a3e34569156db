"""`moat costs` and what else speaks of money before and after it is spent."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.fakes.spending import spent


@pytest.fixture
def billed(api: Any) -> Any:
    """An API whose ledger holds two calls of fake/small for $0.30."""
    spent(api.database, "0.1")
    spent(api.database, "0.2")
    return api


def test_costs_are_summed_by_whatever_is_asked(billed: Any, moat: Command) -> None:
    shown = moat("costs", "--by", "model,outcome")
    assert (shown.code, "fake/small" in shown.out, "Total $0.3" in shown.out) == (0, True, True)
    listed = moat("costs", "--by", "user", "--csv").out.splitlines()
    assert listed == [
        "user,calls,input_tokens,cached_tokens,output_tokens,reasoning_tokens,cost_usd",
        "ann,2,20,8,4,2,0.3",
    ]
    assert moat("costs", "--by", "colour").code == 1


def test_forecast_is_printed(billed: Any, moat: Command) -> None:
    shown = moat("costs", "forecast", "day")
    assert (shown.code, "today so far" in shown.out, "Expected by" in shown.out) == (0, True, True)
    told = json.loads(moat("costs", "forecast", "--json").out)
    assert Decimal(told["spent_usd"]) == Decimal("0.3")


def test_export_is_reconciled_and_differences_explained(billed: Any, moat: Command, tmp_path: Path) -> None:
    today = datetime.now(UTC).date().isoformat()
    export = tmp_path / "usage.csv"
    export.write_text(f"day,model,tokens,dollars\n{today},small,24,0.35\n{today},other,9,1\n")
    shown = moat("costs", "reconcile", export)
    assert shown.code == 0, shown.err
    assert "price difference $-0.05" in shown.out
    assert "missing in the ledger $-1" in shown.out
    assert "Booked $0.3, billed $1.35, difference $-1.05" in shown.out
    export.write_text(f"day,model,tokens,dollars\n{today},small,24,0.30\n")
    assert "1 of 1 lines are the same on both sides." in moat("costs", "reconcile", export).out
    export.write_text("this,is,nothing\n1,2,3\n")
    refused = moat("costs", "reconcile", export)
    assert (refused.code, "this" in refused.err, "day,model,tokens,dollars" in refused.err) == (1, True, True)
    export.write_bytes(b"\xff\xfe\x00")
    assert "no text in UTF-8" in moat("costs", "reconcile", export).err


def test_calls_are_priced_again(billed: Any, moat: Command) -> None:
    shown = moat("costs", "reprice")
    assert (shown.code, "2 were made before prices were kept" in shown.out) == (0, True)
    assert "unknown" in shown.out, "fake/small is in no settings, so it has no price today"


def test_question_can_be_priced_first_and_limited(api: Any, moat: Command) -> None:
    api.add("leave.md", "# Leave\n\nEveryone has thirty days of leave in a year.\n")
    shown = moat("ask", "How many days of leave in a year?", "--dry-run")
    assert (shown.code, "extractive: $0 to $0" in shown.out, "Quoting costs nothing." in shown.out) == (0, True, True)
    assert moat("ask", "How many days of leave in a year?", "--max-cost", "0").code == 0
    assert moat("ask", "How many days?", "--max-cost", "little").code == 1


def test_upload_can_be_priced_first(api: Any, moat: Command, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "note.txt").write_text("Lunch is served at noon. " * 40)
    shown = moat("upload", folder / "note.txt", "--dry-run")
    assert (shown.code, "1 file would be taken: about 250 tokens, $0, at most $0." in shown.out) == (0, True)
    (folder / "what.bin").write_bytes(b"\x00\x01\x02\x03" * 50)
    refused = moat("upload", folder, "--dry-run", "--json")
    assert (refused.code, len(json.loads(refused.out)["items"])) == (1, 2)
    assert api.admin.get("/v1/corpora/default/documents").json()["items"] == []


def test_corpus_is_left_out_of_the_cache(api: Any, moat: Command) -> None:
    assert "always made anew" in moat("corpus", "cache", "default", "off").out
    assert api.admin.get("/v1/corpora/default").json()["cache_answers"] is False
    assert "given again" in moat("corpus", "cache", "default", "on").out
