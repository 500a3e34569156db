"""`moat doctor`: says what is missing or broken, and how to mend it."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from cli import checks, live_checks, model_checks
from cli.checks import Finding
from cli.up import load_settings
from moat.errors import MoatError
from moat.settings import OUTSIDE_NAMES, PREFIX, Settings, known_names
from moat.telemetry import MASK

Check = Callable[[Settings], Iterator[Finding]]
CHECKS: Mapping[str, Check] = {
    "Python": checks.python_version,
    "Home": checks.home_folder,
    "Admin key": checks.admin_key,
    "Valkey": checks.broker_program,
    "Vector engine": checks.vector_engine,
    "Embedder": checks.embedder,
    "Models": checks.models,
    "Programs": checks.extra_programs,
    "Sign-in": live_checks.issuer,
    "Catalog": live_checks.catalog,
    "Broker": live_checks.broker,
    "Vectors": live_checks.vectors,
    "Blobs": live_checks.blobs,
    "API": live_checks.api,
    "Worker": live_checks.worker,
}
NOTHING_TO_MEND, SOMETHING_TO_MEND, FAULT = 0, 1, 2
_COLOURS = {"ok": "green", "info": None, "warning": "yellow", "broken": "red"}


def doctor(
    home: Annotated[Path | None, typer.Option(help="Folder that holds everything.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    settings: Annotated[bool, typer.Option("--settings", help="List every setting with its present value.")] = False,
    models: Annotated[
        bool, typer.Option("--models", help="Ask every model for one token; this costs its price.")
    ] = False,
) -> None:
    """Say what is missing or broken, and how to mend it; exit code 1 when something is to be mended."""
    if settings:
        list_settings(home, as_json)
        return
    findings, fault = examine(home, {"Models": model_checks.models} if models else CHECKS)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            _show(finding)
    broken = any(finding.level == "broken" for finding in findings)
    raise typer.Exit(FAULT if fault else SOMETHING_TO_MEND if broken else NOTHING_TO_MEND)


def examine(home: Path | None, all_checks: Mapping[str, Check] = CHECKS) -> tuple[list[Finding], bool]:
    """Run every check; one that crashes is a fault of Moat's own, told by the second value."""
    try:
        settings = load_settings(home)
    except MoatError as error:
        return [Finding("Settings", "broken", error.detail, error.hint)], False
    findings: list[Finding] = []
    fault = False
    for name, check in all_checks.items():
        try:
            findings += check(settings)
        except Exception as error:  # noqa: BLE001 (the other checks may tell why this one crashed)
            fault = True
            text = f"The check itself failed: {type(error).__name__}: {error}"
            findings.append(Finding(name, "broken", text, "This is a fault in Moat; please report it."))
    return findings, fault


def _show(finding: Finding) -> None:
    mark = typer.style(f"{finding.level:<8}", fg=_COLOURS[finding.level])
    typer.echo(f"{mark} {finding.name}: {finding.detail}")
    if finding.next_step:
        typer.echo(f"{'':<8}   → {finding.next_step}")


def list_settings(home: Path | None, as_json: bool) -> None:
    """Print every setting's name, present value and description; secrets are masked."""
    found = load_settings(home)
    secrets = sorted(found.secrets(), key=len, reverse=True)
    present = {name: _without(secrets, value) for name, value in present_values(found).items()}
    names = {
        name: {"value": present.get(name, ""), "description": description}
        for name, description in known_names().items()
        if "__NAME__" not in name or not any(key.startswith(name.split("__NAME__")[0]) for key in present)
    }
    for name in present.keys() - names.keys():
        names[name] = {"value": present[name], "description": ""}
    for name in OUTSIDE_NAMES:
        names[name]["value"] = ""  # theirs to read, not ours
    if as_json:
        typer.echo(json.dumps(names, indent=1))
        return
    for name, line in sorted(names.items()):
        typer.echo(f"{name} = {line['value']}")
        if line["description"]:
            typer.echo(f"    {line['description']}")


def present_values(settings: BaseModel, prefix: str = PREFIX) -> dict[str, str]:
    """Map every environment name to the value in force, secrets and passwords masked."""
    found: dict[str, str] = {}
    for name, info in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, dict) and not info.repr:  # a reader's arguments: nobody knows which of them is a secret
            found[prefix + name.upper()] = MASK if value else ""
        else:
            found |= _flatten(prefix + name.upper(), value)
    return found


def _flatten(name: str, value: Any) -> dict[str, str]:
    if isinstance(value, BaseModel):
        return present_values(value, f"{name}__")
    if isinstance(value, dict):
        merged: dict[str, str] = {}
        for key, inner in value.items():
            merged |= _flatten(f"{name}__{key.upper() if key.isidentifier() else key}", inner)
        return merged
    if isinstance(value, SecretStr):
        return {name: MASK if value.get_secret_value() else ""}
    return {name: "" if value is None else _without_password(str(value))}


def _without(secrets: list[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def _without_password(text: str) -> str:
    if "://" not in text:
        return text
    try:
        return make_url(text).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return text if "@" not in text else MASK
