"""`moat search`: the passages that a question finds, without a model."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from cli.client import Client, JsonObject
from cli.output import AsJson, emit, out


def search(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="What to look for.")],
    corpus: Annotated[list[str] | None, typer.Option(help="Search only this corpus; may be repeated.")] = None,
    document: Annotated[list[str] | None, typer.Option(help="Id of the only document to search; repeatable.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Most passages.")] = 10,
    explain: Annotated[bool, typer.Option("--explain", help="Show each arm's rank and score.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find the passages nearest to a question; no model is asked and nothing is paid."""
    client: Client = context.obj
    body: dict[str, Any] = {"question": question, "limit": limit, "explain": explain}
    if corpus:
        body["corpora"] = corpus
    if document:
        body["document_ids"] = document
    found = client.post("/v1/search", body)
    if as_json:
        emit(found)
        return
    for number, passage in enumerate(found["passages"], 1):
        _show(number, passage)
    if not found["passages"]:
        out.print("Nothing was found. Is it uploaded, and may you read it? 'moat status' lists the corpora.")


def _show(number: int, passage: JsonObject) -> None:
    page = _where(passage["pages"])
    out.print(f"{number}. {passage['title']}{page} ({passage['corpus']}: {passage['key']})", style="bold")
    arms = passage.get("arms") or {}
    ranks = "".join(f", {name} rank {arm['rank']}{_score(arm['score'])}" for name, arm in arms.items())
    out.print(f"   score {passage['score']:.4f}{ranks}", style="dim")
    out.print(f"   {' '.join(passage['text'].split())}\n", soft_wrap=True)


def _where(pages: Sequence[int]) -> str:
    """Name the page that a passage stands on, or the first and the last."""
    if not pages:
        return ""
    return f", page {pages[0]}" if len(pages) == 1 else f", pages {pages[0]}–{pages[-1]}"


def _score(score: float | None) -> str:
    """Show an arm's score; the sparse one is told to admins alone."""
    return "" if score is None else f" ({score:.3f})"
