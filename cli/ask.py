"""`moat ask`: a question, its answer while it is written, its sources, its cost."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from cli.client import Client, CliError, JsonObject
from cli.output import AsJson, dollars, emit, out


def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    corpus: Annotated[list[str] | None, typer.Option(help="Ask only this corpus; may be repeated.")] = None,
    document: Annotated[list[str] | None, typer.Option(help="Id of the only document to ask; repeatable.")] = None,
    model: Annotated[str | None, typer.Option(help="Model that answers; the server's default otherwise.")] = None,
    conversation: Annotated[
        str | None, typer.Option(help="Id of the conversation that the question goes on with; --json shows it.")
    ] = None,
    max_cost: Annotated[str | None, typer.Option(help="Dollars that the answer may cost at most.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would cost.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask a question and get an answer with its sources and its cost."""
    client: Client = context.obj
    only: dict[str, Any] = {"document_ids": document} if document else {}
    only |= {"conversation_id": conversation} if conversation else {}
    limit = only | ({"max_cost_usd": max_cost} if max_cost else {})
    if dry_run:
        show_estimate(client.post("/v1/answers", _body(question, corpus, model) | only | {"dry_run": True}), as_json)
    elif as_json:
        emit(client.post("/v1/answers", _body(question, corpus, model) | limit))
    else:
        answer = ask_aloud(client, question, corpus, model, limit)
        if begun := answer.get("conversation_id"):  # an older server has none
            out.print(f"Ask on with --conversation {begun}", style="dim", soft_wrap=True)


def show_estimate(found: JsonObject, as_json: bool) -> None:
    """Print what an answer would cost."""
    if as_json:
        emit(found)
        return
    least, usual, most = (dollars(found[f"{name}_usd"]) for name in ("minimum", "expected", "ceiling"))
    out.print(f"{found['model']}: {least} to {most}, expected {usual}", style="bold")
    out.print(f"{found['passages']} passages, {found['input_tokens']:,} tokens read. {found['why']}", soft_wrap=True)


def ask_aloud(
    client: Client,
    question: str,
    corpora: Sequence[str] | None = None,
    model: str | None = None,
    more: Mapping[str, Any] | None = None,
) -> JsonObject:
    """Print an answer as it is written, then its sources and its cost."""
    written, answer = "", None
    for name, data in client.events("/v1/answers", _body(question, corpora, model) | dict(more or {}, stream=True)):
        if name == "token":
            written += data["text"]
            out.print(data["text"], end="", soft_wrap=True)
        elif name == "done":
            answer = data
        elif name == "error":
            out.print()
            raise CliError(data["status"], data["title"], data["detail"], data["hint"], data)
    out.print()
    if answer is None:
        raise CliError(503, "The answer broke off", "The server ended the stream early.", "Ask again.")
    if answer["answer"].strip() != written.strip():  # what is stored is right, not what passed by
        out.print(f"The answer, checked as a whole:\n{answer['answer']}", soft_wrap=True)
    show_sources(answer)
    return answer


def show_sources(answer: JsonObject) -> None:
    """Print an answer's numbered sources, its note and what it cost."""
    for citation in answer["citations"]:
        page = f", page {citation['page']}" if citation["page"] else ""
        out.print(f"\n[{citation['marker']}] {citation['title']}{page} ({citation['corpus']})", style="bold")
        out.print(f"    “{' '.join(citation['quote'].split())}”", soft_wrap=True)
    out.print(f"\n{cost_line(answer)}", style="dim")
    if answer.get("note"):
        out.print(answer["note"], style="dim", soft_wrap=True)


def cost_line(answer: JsonObject) -> str:
    """Write what an answer cost: dollars, tokens of the calls, model."""
    cost = answer["cost"]
    read = sum(call["input_tokens"] for call in cost["calls"])
    wrote = sum(call["output_tokens"] for call in cost["calls"])
    tokens = f", {read:,} tokens read, {wrote:,} written" if cost["calls"] else ""
    saved = f", {dollars(cost['saved_usd'])} saved" if float(cost["saved_usd"]) else ""
    return f"Cost {dollars(cost['total_usd'])}{saved}{tokens} · {answer['model']}"


def _body(question: str, corpora: Sequence[str] | None, model: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {"question": question}
    if corpora:
        body["corpora"] = list(corpora)
    if model:
        body["model"] = model
    return body
