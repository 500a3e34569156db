"""`moat status`: what answers, what the corpora hold, and what failed lately."""

from typing import Annotated
from urllib.parse import quote

import typer

from cli.client import Client, JsonObject
from cli.output import AsJson, emit, err, out, states, table
from moat.errors import InvalidRequest

_FAILURES = 5


def status(
    context: typer.Context,
    document_id: Annotated[str | None, typer.Argument(help="Show one document.")] = None,
    corpus: Annotated[str | None, typer.Option(help="Show one corpus and its newest documents.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the health, the corpora and recent failures; exit code 2 when a needed part is down."""
    client: Client = context.obj
    if document_id and corpus:
        raise InvalidRequest("A document and a corpus were both named.", "Name one of them.")
    if document_id:
        _one_document(client, document_id, as_json)
    elif corpus:
        _one_corpus(client, corpus, as_json)
    else:
        _everything(client, as_json)


def _everything(client: Client, as_json: bool) -> None:
    health = client.health()
    if not health["ready"]:  # the lists would only fail one after the other
        if as_json:
            emit({"url": client.address.url, **health, "corpora": [], "failures": []})
        _health(client, health)
        raise typer.Exit(2)
    corpora = client.get("/v1/corpora")["items"]
    failures = _failures(client, corpora)
    if as_json:
        emit({"url": client.address.url, **health, "corpora": corpora, "failures": failures})
        return
    _health(client, health)
    rows = table("Corpus", "Documents", "Chunks", "States", "Readers", right=("Documents", "Chunks"))
    for corpus in corpora:
        readers = ", ".join(corpus["access"]) or "admins only"
        rows.add_row(
            corpus["name"], f"{corpus['documents']:,}", f"{corpus['chunks']:,}", states(corpus["counts"]), readers
        )
    out.print(rows)
    if failures:
        out.print("\nFailed lately:", style="bold")
        _documents(failures)


def _health(client: Client, health: JsonObject) -> None:
    ready = health["ready"]
    err.print(
        f"{client.address.url} is {'ready' if ready else 'not ready'}", style="bold green" if ready else "bold red"
    )
    for name, part in health["parts"].items():
        if not part["ok"]:
            why = part["detail"] or "does not answer; an admin's key, or 'moat doctor' beside the server, tells why"
            err.print(f"  {name}: {why}", style="red")


def _failures(client: Client, corpora: list[JsonObject]) -> list[JsonObject]:
    failed: list[JsonObject] = []
    for corpus in corpora:
        for state in ("failed", "quarantined"):
            if corpus["counts"].get(state):
                params = {"state": state, "limit": _FAILURES}
                failed += client.get(f"/v1/corpora/{corpus['id']}/documents", params)["items"]
    return sorted(failed, key=lambda document: str(document["updated_at"]), reverse=True)[:_FAILURES]


def _one_corpus(client: Client, name: str, as_json: bool) -> None:
    path = f"/v1/corpora/{quote(name, safe='')}"
    corpus = client.get(path)
    newest = client.get(f"{path}/documents", {"limit": 20})["items"]
    if as_json:
        emit({"corpus": corpus, "documents": newest})
        return
    out.print(f"{corpus['name']}: {states(corpus['counts'])}; {corpus['chunks']:,} chunks", style="bold")
    _documents(newest)


def _documents(documents: list[JsonObject]) -> None:
    rows = table("Id", "Corpus", "Key", "State", "Reason", "What to do")
    for document in documents:
        state = document["state"]
        if state in ("parsing", "embedding"):
            state += f" {document['progress']:.0%}"
        rows.add_row(
            document["id"], document["corpus"], document["key"], state, document["error"] or "", document["hint"] or ""
        )
    out.print(rows)


def _one_document(client: Client, document_id: str, as_json: bool) -> None:
    document = client.get(f"/v1/documents/{quote(document_id, safe='')}")
    if as_json:
        emit(document)
        return
    rows = table("", "")
    rows.show_header = False
    for name, value in document.items():
        if value not in (None, "", [], {}):
            rows.add_row(name.replace("_", " "), ", ".join(value) if isinstance(value, list) else str(value))
    out.print(rows)
