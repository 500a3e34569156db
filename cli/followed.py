"""The sources that the worker follows by itself, from the command line: list, run, look, agree."""

import time
from collections.abc import Callable
from urllib.parse import quote

from cli.client import Client, JsonObject
from cli.output import counted, emit, err, out, table

_POLL_S = 0.5
_LONG = 60
_RUNNING = ("running", "planning")


def list_followed(client: Client, as_json: bool) -> None:
    """Print every source with its last run and its next."""
    found = client.get("/v1/sources")
    if as_json:
        emit(found)
        return
    if not found["items"]:
        out.print("No source is followed; name some under [sources.NAME] in moat.toml.")
        return
    rows = table("Source", "Kind", "Corpus", "Documents", "State", "Last run", "Next run", right=("Documents",))
    for source in found["items"]:
        state = source["state"] if source["configured"] else "not in moat.toml"
        last, following = (_minute(source[name]) for name in ("last_finished_at", "next_at"))
        rows.add_row(
            source["name"], source["kind"], source["corpus"], f"{source['documents']:,}", state, last, following
        )
    out.print(rows)
    for source in found["items"]:
        _complain(source)


def run_followed(
    client: Client,
    name: str,
    *,
    dry_run: bool,
    yes: bool,
    wait: bool,
    as_json: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Have the worker run a source, or only look, and tell what came of it; False when it failed or waits."""
    path = f"/v1/sources/{quote(name, safe='')}"
    source = client.post(f"{path}/approve", {}) if yes else client.post(f"{path}/sync", {"dry_run": dry_run})
    polls = 0
    while wait and (source["requested"] or source["state"] in _RUNNING):
        sleep(_POLL_S)
        source = client.get(path)
        polls += 1
        if polls == _LONG and source["requested"]:
            err.print("No worker has begun with it yet; 'moat status' says whether one runs. Ctrl-C stops the waiting.")
    if as_json:
        emit(source)
    elif not wait:
        out.print(f"The worker runs {name} within seconds; 'moat sync --list' shows how it went.")
    elif dry_run and source["state"] != "failed":
        _show_plan(source["plan"])
    else:
        for problem in source["problems"]:
            err.print(problem, soft_wrap=True)
        _complain(source)
        out.print(", ".join(f"{kind} {count:,}" for kind, count in source["counts"].items() if count) or "nothing")
    return source["state"] not in ("failed", "held") or (dry_run and source["state"] == "held")


def _show_plan(plan: JsonObject) -> None:
    for kind in ("add", "replace", "change", "delete", "unread"):
        for key in plan[kind]:
            out.print(f"{kind} {key}", markup=False, soft_wrap=True)
    for missing in plan["missing"]:
        err.print(f"{missing}: the listing is partial, so nothing would be deleted.", soft_wrap=True)
    counts = plan["counts"]
    would = f"would be added {counts['added']}, replaced {counts['replaced']}, changed {counts['changed']}"
    out.print(f"{would}, deleted {counts['deleted'] + counts['held']}, unchanged {counts['same']}")
    if counts["held"]:
        out.print(f"{counted(counts['held'], 'deletion')} would wait for an admin: over a fifth.")


def _complain(source: JsonObject) -> None:
    if source["error"]:
        err.print(f"{source['name']}: {source['error']}", style="red", soft_wrap=True)
        if source["hint"]:
            err.print(f"→ {source['hint']}", soft_wrap=True)


def _minute(moment: str | None) -> str:
    return moment[:16].replace("T", " ") if moment else ""
