"""The `moat` command: its options, its commands, and how errors leave it."""

import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException
from typer.rich_utils import rich_format_error

from cli.address import finder
from cli.client import Client, CliError
from cli.output import err
from moat.errors import MoatError

USER_ERROR, FAULT = 1, 2

# Only what the arguments name is imported: the platform's modules would cost every question a second.
_COMMANDS = {
    "up": "cli.up:up",
    "demo": "cli.demo:demo",
    "upload": "cli.upload:upload",
    "sync": "cli.sync:sync",
    "ask": "cli.ask:ask",
    "search": "cli.search:search",
    "status": "cli.status:status",
    "reindex": "cli.reindex:reindex",
    "costs": "cli.costs:app",
    "budget": "cli.budget:app",
    "key": "cli.key:app",
    "corpus": "cli.corpus:app",
    "widget": "cli.widget:app",
    "erase": "cli.erase:erase",
    "user": "cli.user:app",
    "audit": "cli.audit:app",
    "evaluate": "cli.evaluate:evaluate",
    "doctor": "cli.doctor:doctor",
    "migrate": "cli.migrate:migrate",
}


def main() -> None:
    """Run the command and leave with 0 for success, 1 for a mistake of the caller, 2 for a fault."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str], connect: Callable[[str | None, str | None], Client] | None = None) -> int:
    """Run one command and give its exit code; `connect` makes the client from --server and --key."""
    app = build(arguments, connect or (lambda server, key: Client(finder(server, key))))
    try:
        return int(app(list(arguments), prog_name="moat", standalone_mode=False) or 0)
    except TyperException as error:
        rich_format_error(error)  # type: ignore[arg-type]
    except typer.Abort:
        err.print("Nothing was done.")
    except MoatError as error:
        return report(error)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        err.print(f"{error.filename}: {error.strerror}", style="red")
    except Exception:  # noqa: BLE001 (the process's edge)
        traceback.print_exc()
        err.print("This is a fault in Moat; please report it with the lines above.", style="red")
        return FAULT
    return USER_ERROR


def report(error: MoatError) -> int:
    """Print what went wrong and what to do next, and give the exit code for it."""
    status, title = error.status, error.title
    if isinstance(error, CliError):
        status, title = error.problem_status, error.problem_title
    err.print(title, style="bold red")
    err.print(error.detail, style="red", soft_wrap=True)
    if error.hint:
        err.print(f"→ {error.hint}", soft_wrap=True)
    return FAULT if status >= 500 else USER_ERROR


def build(arguments: Sequence[str], connect: Callable[[str | None, str | None], Client]) -> typer.Typer:
    """Make the command line with the commands that the arguments may mean, or with all."""
    app = typer.Typer(
        name="moat",
        help="Answers from your own documents, with sources and exact costs.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def root(
        context: typer.Context,
        server: Annotated[
            str | None, typer.Option(envvar="MOAT_SERVER", help="Address of the API; this machine's own by default.")
        ] = None,
        key: Annotated[
            str | None,
            typer.Option(envvar="MOAT_KEY", show_envvar=True, help="API key; this home's admin key by default."),
        ] = None,
        show_version: Annotated[
            bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")
        ] = False,
    ) -> None:
        context.obj = connect(server, key)
        context.call_on_close(context.obj.close)

    for name in [n for n in _COMMANDS if n in arguments] or _COMMANDS:
        _register(app, name)
    return app


def _register(app: typer.Typer, name: str) -> None:
    module, _, attribute = _COMMANDS[name].partition(":")
    command: Any = getattr(import_module(module), attribute)
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name)
    else:
        app.command(name)(command)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"moat {version('moat')}")
        raise typer.Exit
