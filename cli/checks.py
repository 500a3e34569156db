"""What `moat doctor` looks at on this machine: each check states a fact and, where it matters, the next step."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from cli.embedded import recorded_engine, valkey_program
from cli.home import Home, mode_of
from moat.embedder import PACKAGED_MODELS, model_of
from moat.errors import MoatError
from moat.llm.embedders import check_embedder
from moat.settings import Settings

ENOUGH_BYTES = 2_000_000_000
TOO_LITTLE_BYTES = 200_000_000
_EXTRA_PROGRAMS = {
    "tesseract": "text in pictures and scanned pages",
    "soffice": "the doc and ppt formats of before 2007",
    "chromium": "the browser tests alone",
}

Level = Literal["ok", "info", "warning", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `broken` is what an admin has to mend."""

    name: str
    level: Level
    detail: str
    next_step: str = ""


def python_version(settings: Settings) -> Iterator[Finding]:
    """Which interpreter runs; one that is too old could not have installed Moat."""
    yield Finding("Python", "ok", f"{'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}")


def home_folder(settings: Settings) -> Iterator[Finding]:
    """The home can be written, has room, and is closed to other users."""
    folder = settings.home_folder
    present = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not _writable(present):
        yield Finding("Home", "broken", f"{present} cannot be written.", "Own the folder, or set MOAT_HOME to another.")
    elif present != folder:
        yield Finding("Home", "info", f"{folder} is not there yet.", "'moat up' makes it.")
    elif mode_of(folder) & 0o077:
        text = f"{folder} is open to other users (mode {mode_of(folder):o})."
        yield Finding("Home", "warning", text, f"chmod 700 {folder}")
    else:
        yield Finding("Home", "ok", str(folder))
    yield _disk_space(present)


def _writable(folder: Path) -> bool:
    probe = folder / ".moat-doctor"
    try:
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def _disk_space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB free at {folder}"
    if free < TOO_LITTLE_BYTES:
        return Finding("Disk", "broken", text, "Free some space: uploads are refused when the disk is full.")
    if free < ENOUGH_BYTES:
        return Finding("Disk", "warning", text, "Free some space soon.")
    return Finding("Disk", "ok", text)


def admin_key(settings: Settings) -> Iterator[Finding]:
    """The key that the command line reads is there and is nobody else's."""
    path = Home(settings.home_folder).key_file
    if not path.exists():
        yield Finding(
            "Admin key", "info", f"{path} is not there.", "'moat up' makes it at the first start; else use --key."
        )
    elif mode_of(path) & 0o077:
        text = f"{path} can be read by others (mode {mode_of(path):o})."
        yield Finding(
            "Admin key", "broken", text, f"chmod 600 {path}; if others have an account here, replace the key."
        )
    else:
        yield Finding("Admin key", "ok", str(path))


def broker_program(settings: Settings) -> Iterator[Finding]:
    """There is a broker to start, unless one is set."""
    if settings.broker.url:
        return
    try:
        program = valkey_program()
    except MoatError as error:
        yield Finding("Valkey", "broken", error.detail, error.hint)
        return
    run = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
    if run.returncode == 0:
        yield Finding("Valkey", "ok", run.stdout.strip())
    else:
        text = f"{program} does not run: {run.stderr.strip()}"
        yield Finding("Valkey", "broken", text, "Install it again, or set MOAT_BROKER__URL to a broker.")


def vector_engine(settings: Settings) -> Iterator[Finding]:
    """The embedded engine is installed, in the version that wrote the vectors."""
    if settings.qdrant.url:
        return
    try:
        installed = f"qdrant-edge-py {metadata.version('qdrant-edge-py')}"
    except metadata.PackageNotFoundError:
        hint = "pip install qdrant-edge-py, or set MOAT_QDRANT__URL to a Qdrant server."
        yield Finding("Vector engine", "broken", "qdrant-edge-py is not installed.", hint)
        return
    imported = _imports("qdrant_edge")
    recorded = recorded_engine(Home(settings.home_folder))
    if imported:
        yield Finding("Vector engine", "broken", f"{installed} fails: {imported}", "Install qdrant-edge-py again.")
    elif recorded not in ("", installed):
        text = f"The vectors were written by {recorded}; {installed} is installed."
        step = "The next 'moat up' indexes every document again; or install the version that wrote them."
        yield Finding("Vector engine", "warning", text, step)
    else:
        yield Finding("Vector engine", "ok", installed)


def embedder(settings: Settings) -> Iterator[Finding]:
    """The default embedder is on this machine, and torch can be imported beside it."""
    name = settings.embedder.default
    package = PACKAGED_MODELS.get(model_of(name))
    try:
        check_embedder(name, settings)
    except MoatError as error:
        yield Finding("Embedder", "broken", error.detail, error.hint)
    else:
        if package is not None and find_spec(package) is None:
            step = f"pip install {package.replace('_', '-')}"
            yield Finding("Embedder", "broken", f"The package of {name} is not installed.", step)
        else:
            yield Finding("Embedder", "ok", name)
    yield _torch()


def _torch() -> Finding:
    if find_spec("torch") is None:
        return Finding("torch", "broken", "torch is not installed.", "Install Moat again with its constraints file.")
    version = metadata.version("torch")
    # Another build's torchvision beside torch makes `import sentence_transformers` fail; loading torch takes seconds,
    # so this is tried only where the trap can be.
    if find_spec("torchvision") is not None and (problem := _imports("torchvision", "sentence_transformers")):
        return Finding(
            "torch", "broken", f"torchvision does not fit torch {version}: {problem}", "pip uninstall torchvision"
        )
    return Finding("torch", "ok", version)


def _imports(*modules: str) -> str:
    """Import in a process of its own; the last line of what went wrong, or nothing."""
    argv = [sys.executable, "-P", "-c", f"import {', '.join(modules)}"]
    try:
        run = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return "its import does not end"
    lines = run.stderr.strip().splitlines()
    return "" if run.returncode == 0 else lines[-1] if lines else f"exit code {run.returncode}"


def extra_programs(settings: Settings) -> Iterator[Finding]:
    """Programs beside Moat; none is needed."""
    for name, purpose in _EXTRA_PROGRAMS.items():
        found = shutil.which(name)
        text = f"{found or 'not installed'}; it is for {purpose}"
        yield Finding(name, "info", text)


def models(settings: Settings) -> Iterator[Finding]:
    """Every configured model has a provider, a key and a price."""
    for name in settings.models:
        yield _model(settings, name)
    if settings.default_model == "extractive":
        text = "extractive: it answers with sentences of the documents, verbatim and free"
        yield Finding("Default model", "info", text)
    elif settings.default_model not in settings.models:
        text = f"{settings.default_model} is not configured."
        yield Finding("Default model", "broken", text, f'Add [models."{settings.default_model}"] to moat.toml.')
    else:
        yield Finding("Default model", "ok", settings.default_model)


def _model(settings: Settings, name: str) -> Finding:
    # genai-prices takes half a second to import, which a home without models need not wait for.
    from moat.llm.price_list import is_stale, sheet_of

    title = f"Model {name}"
    provider, _, model = name.partition("/")
    server = settings.providers.get(provider)
    if server is None:
        return Finding(
            title, "broken", f"There is no provider {provider!r}.", f"Add [providers.{provider}] to moat.toml."
        )
    keyless = server.costs_nothing(provider) or server.speaks(provider) == "bedrock"  # the machine has the keys
    if not server.api_key.get_secret_value() and not keyless:
        step = f"Set MOAT_PROVIDERS__{provider.upper()}__API_KEY, or free = true for a server of your own."
        return Finding(title, "broken", "Its provider has no key.", step)
    try:
        prices = sheet_of(provider, server.deployments.get(model, model), server, settings.models[name])
    except MoatError as error:
        return Finding(title, "broken", error.detail, error.hint)
    text = f"priced by {prices.version}" + (f", as of {prices.as_of}" if prices.as_of else "")
    if is_stale(prices, datetime.now(UTC).date()):
        step = "Install a newer genai-prices, or look the price up and set it with prices_as_of."
        return Finding(title, "warning", f"{text}: over 60 days old", step)
    return Finding(title, "ok", text)
