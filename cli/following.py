"""Watches uploaded documents until nothing more happens to them."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from urllib.parse import quote

from cli.client import Client, CliError, JsonObject
from cli.sending import Sent

_SETTLED = frozenset({"ready", "failed", "quarantined", "cancelled", "deleted"})
_FIRST_POLL_S, _LAST_POLL_S = 0.3, 2.0
_AWAY_S = 60.0  # a server that restarts is back long before
_PAGE = 500
_SINGLE = 50


def follow(
    client: Client,
    corpus: str,
    sent: Sequence[Sent],
    on_change: Callable[[Counter[str]], None] = lambda counts: None,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Update every item until its document is settled; `on_change` hears the counts by state.

    Duplicates are followed as well: what was uploaded a moment ago may still be in work.
    """
    waiting = {item.id: item for item in sent if item.id}
    seen_at, wait_s = clock(), _FIRST_POLL_S
    while True:
        try:
            _look(client, corpus, waiting)
            seen_at = clock()
        except CliError as error:
            if error.problem_status < 500 or clock() - seen_at > _AWAY_S:
                raise
        on_change(Counter(item.state for item in sent if item.id))
        if not waiting:
            return
        sleep(wait_s)
        wait_s = min(wait_s * 1.3, _LAST_POLL_S)


def _look(client: Client, corpus: str, waiting: dict[str, Sent]) -> None:
    """Read the newest documents page by page, and the few that are not among them one by one."""
    unseen = dict(waiting)
    params: dict[str, str | int] = {"limit": min(_PAGE, len(waiting) + 10)}
    for _ in range(len(waiting) // _PAGE + 1):
        page = client.get(f"/v1/corpora/{quote(corpus, safe='')}/documents", params)
        for document in page["items"]:
            if item := unseen.pop(document["id"], None):
                _update(item, document, waiting)
        if not unseen or not page["next_cursor"]:
            break
        params["cursor"] = page["next_cursor"]
    for item in list(unseen.values())[:_SINGLE]:
        try:
            document = client.get(f"/v1/documents/{item.id}")
        except CliError as error:
            if error.problem_status != 404:
                raise
            document = {"state": "deleted", "error": "Somebody deleted it.", "hint": ""}
        _update(item, document, waiting)


def _update(item: Sent, document: JsonObject, waiting: dict[str, Sent]) -> None:
    item.document, item.state = document, document["state"]
    item.error, item.hint = document["error"] or "", document["hint"] or ""
    if item.state in _SETTLED:
        waiting.pop(item.id)
