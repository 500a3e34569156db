"""What `moat doctor --models` finds: each configured model, asked for one token through the gateway and the ledger."""

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cli.checks import Finding
from moat.database import Database
from moat.errors import MoatError
from moat.ledger import CallContext
from moat.records import Reader
from moat.settings import Settings

if TYPE_CHECKING:
    from moat.llm.gateway import Gateway

DOCTOR = CallContext(None, Reader(key_id=None, user="doctor", scopes=frozenset({"admin"})), kind="probe")


def models(settings: Settings) -> Iterator[Finding]:
    """Ask each model for one token: its answer's time, its price, and how much it reads."""
    # The gateway brings the price list, which takes half a second to import.
    from moat.llm.gateway import Gateway

    if not settings.models:
        yield Finding("Models", "info", "No model is configured: extractive answers, for nothing.")
        return
    one_token = {name: known.model_copy(update={"max_output_tokens": 1}) for name, known in settings.models.items()}
    alone = {name: known.model_copy(update={"fallback": ()}) for name, known in one_token.items()}
    database = Database.from_settings(settings)
    try:
        gateway = Gateway(settings.model_copy(update={"models": alone}), database)
        for name in settings.models:
            yield _tried(gateway, settings, name)
    finally:
        database.close()


def _tried(gateway: "Gateway", settings: Settings, name: str) -> Finding:
    known = settings.models[name]
    title = f"Model {name}"
    started = time.perf_counter()
    try:
        asyncio.run(_call(gateway, name, known.kind))
    except MoatError as error:
        return Finding(title, "broken", error.detail, error.hint)
    took_ms = round((time.perf_counter() - started) * 1000)
    return Finding(
        title, "ok", f"answered in {took_ms} ms; {gateway.price_words(name)}; reads {known.context_window} tokens"
    )


async def _call(gateway: "Gateway", name: str, kind: str) -> None:
    from moat.llm.gateway import Message

    if kind == "embedding":
        await gateway.embed(name, ["yes"], purpose=DOCTOR)
    elif kind == "rerank":
        await gateway.rerank(name, "yes?", ["yes"], purpose=DOCTOR)
    else:
        await gateway.complete(name, [Message("user", "Say yes.")], purpose=DOCTOR)
