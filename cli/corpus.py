"""`moat corpus`: named sets of documents, each with its readers and its pipeline."""

import sys
from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer

from cli.client import Client
from cli.output import AsJson, counted, emit, err, out, states, table
from cli.report import show_report
from moat.errors import InvalidRequest

app = typer.Typer(help="Make, list, show, examine and delete corpora.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Corpus by name or id.")]


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Letters, digits, dots, dashes and spaces.")],
    access: Annotated[
        list[str] | None, typer.Option(help="Group that may read, or 'everyone'; may be repeated. None: admins only.")
    ] = None,
    embedder: Annotated[str | None, typer.Option(help="Embedder; the server's default otherwise.")] = None,
    chunk_tokens: Annotated[int | None, typer.Option(min=32, help="Most word pieces in a chunk.")] = None,
    late_interaction: Annotated[bool, typer.Option(help="Rank what was found by the vectors of its words.")] = True,
    as_json: AsJson = False,
) -> None:
    """Make an empty corpus."""
    client: Client = context.obj
    pipeline: dict[str, Any] = {"embedder": embedder} if embedder else {}
    if not late_interaction:
        pipeline["late_interaction"] = False
    if chunk_tokens:
        pipeline["chunk_tokens"] = chunk_tokens
    made = client.post("/v1/corpora", {"name": name, "access": access or [], "pipeline": pipeline})
    if as_json:
        emit(made)
        return
    readers = ", ".join(made["access"]) or "admins only (give --access to change that)"
    out.print(f"Corpus {made['name']} is there; readers: {readers}.")


@app.command("list")
def list_corpora(context: typer.Context, as_json: AsJson = False) -> None:
    """List the corpora you may read."""
    client: Client = context.obj
    corpora = client.get("/v1/corpora")
    if as_json:
        emit(corpora)
        return
    rows = table("Id", "Corpus", "Documents", "Chunks", "Readers", right=("Documents", "Chunks"))
    for corpus in corpora["items"]:
        readers = ", ".join(corpus["access"]) or "admins only"
        rows.add_row(corpus["id"], corpus["name"], f"{corpus['documents']:,}", f"{corpus['chunks']:,}", readers)
    out.print(rows)


@app.command()
def show(context: typer.Context, corpus: Name, as_json: AsJson = False) -> None:
    """Show a corpus."""
    client: Client = context.obj
    shape = client.get(f"/v1/corpora/{quote(corpus, safe='')}")
    if as_json:
        emit(shape)
        return
    pipeline = ", ".join(f"{name} {value}" for name, value in shape["pipeline"].items())
    out.print(f"{shape['name']} ({shape['id']})", style="bold")
    out.print(f"Documents: {states(shape['counts'])}; {counted(shape['chunks'], 'chunk')}")
    out.print(f"Readers:   {', '.join(shape['access']) or 'admins only'}")
    out.print(f"Pipeline:  {pipeline}")


@app.command()
def report(
    context: typer.Context,
    corpus: Name,
    stale_days: Annotated[int, typer.Option(min=1, help="Age in days from which a document is stale.")] = 730,
    limit: Annotated[int, typer.Option(min=0, help="Most items listed of each kind.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Tell duplicates, superseded versions, stale and unreadable documents, languages and size."""
    client: Client = context.obj
    found = client.get(f"/v1/corpora/{quote(corpus, safe='')}/report", {"stale_days": stale_days, "limit": limit})
    if as_json:
        emit(found)
    else:
        show_report(found)


@app.command()
def delete(
    context: typer.Context,
    corpus: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a corpus with all its documents, for good."""
    client: Client = context.obj
    path = f"/v1/corpora/{quote(corpus, safe='')}"
    if not yes:
        shape = client.get(path)
        if not sys.stdin.isatty():
            raise InvalidRequest("Nobody is here to agree.", f"Give --yes to delete {shape['name']}.")
        err.print(f"{shape['name']} holds {counted(shape['documents'], 'document')}.")
        typer.confirm("Delete them for good?", abort=True, err=True)
    deleted = client.delete(path)
    if as_json:
        emit(deleted)
    else:
        out.print(f"{deleted['name']} is gone; its files and vectors follow within seconds.")


@app.command()
def cache(
    context: typer.Context,
    corpus: Name,
    state: Annotated[Literal["on", "off"], typer.Argument(help="Whether answers made of it are given again.")],
    as_json: AsJson = False,
) -> None:
    """Let stored answers be given again, where the deployment's cache is on, or have every question asked anew."""
    client: Client = context.obj
    shape = client.patch(f"/v1/corpora/{quote(corpus, safe='')}", {"cache_answers": state == "on"})
    if as_json:
        emit(shape)
    else:
        out.print(f"Answers from {shape['name']} are {'given again' if state == 'on' else 'always made anew'}.")


@app.command()
def retention(
    context: typer.Context,
    corpus: Name,
    days: Annotated[
        int, typer.Option(min=0, max=36_500, help="Age of the newest version; 0 keeps documents for ever.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Put it in force; without it, only say what would go.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase documents once they are older than this; says first what would go."""
    client: Client = context.obj
    body = {"days": days or None, "dry_run": not yes}
    answer = client.put(f"/v1/corpora/{quote(corpus, safe='')}/retention", body)
    if as_json:
        emit(answer)
        return
    if not days:
        out.print("Documents are kept for ever." if yes else "Documents would be kept for ever; say --yes.")
        return
    old = counted(answer["documents"], "document")
    out.print(f"{old} {'go now' if yes else 'would go'}, and every other once it is older than {counted(days, 'day')}.")
    for document in answer["oldest"]:
        out.print(f"  {document}")
    if not yes:
        err.print("Nothing was changed; say --yes to put it in force.")


@app.command()
def reach(
    context: typer.Context,
    corpus: Name,
    places: Annotated[
        list[str] | None,
        typer.Argument(
            help="Providers, 'provider@region' or '*@region', or 'local only'; none: the deployment's default."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say to which providers and regions a corpus's text may go; it holds from the next question on."""
    client: Client = context.obj
    changed = client.patch(f"/v1/corpora/{quote(corpus, safe='')}", {"reach": places or []})
    if as_json:
        emit(changed)
        return
    allowed = changed["reach"]
    out.print(f"Text of {corpus} may reach {', '.join(allowed) if allowed else 'what the deployment allows'}.")
