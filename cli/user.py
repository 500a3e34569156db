"""`moat user`: what is held about somebody, and the removal of their history."""

from typing import Annotated
from urllib.parse import quote

import typer

from cli.client import Client
from cli.erase import show_erasure
from cli.output import AsJson, emit
from moat.errors import InvalidRequest

app = typer.Typer(help="Export what is held about a user, or delete their history.", no_args_is_help=True)

User = Annotated[str, typer.Argument(help="The user, as keys name them.")]


@app.command()
def export(context: typer.Context, user: User) -> None:
    """Print all that is held about a user, as JSON."""
    client: Client = context.obj
    emit(client.get(f"/v1/users/{quote(user, safe='')}/export"))


@app.command()
def forget(
    context: typer.Context,
    user: User,
    yes: Annotated[bool, typer.Option("--yes", help="Really delete it; it cannot be brought back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a user's answers and feedback; what they cost stays in the ledger, under a pseudonym."""
    client: Client = context.obj
    if not yes:
        raise InvalidRequest(f"This deletes every answer and all feedback of {user}.", "Say --yes to do it.")
    show_erasure(client.delete(f"/v1/users/{quote(user, safe='')}/history"), as_json)
