"""Models converted for OpenVINO, made once for each model and kept in a folder that can be made again."""

import fcntl
import hashlib
import json
import logging
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from moat.errors import NotConvertible

log = logging.getLogger(__name__)

# Raise it when a conversion makes something else of the same model.
_CONVERSION = 3
MODEL, TOKENIZER, FACTS = "model.xml", "tokenizer.json", "facts.json"
_CONVERTED_BY = ("openvino", "sentence-transformers", "transformers", "torch")
_WAIT_S = 600


@dataclass(frozen=True, slots=True)
class Facts:
    """What a converted model takes and gives."""

    dimension: int
    max_tokens: int
    inputs: tuple[str, ...]
    gives_tokens: bool


def converted(model: Path, int8: bool, root: Path) -> Path:
    """Give the folder of a model's converted form, made now if need be; raises `NotConvertible` where it cannot be."""
    folder = root / _fingerprint(model, int8)
    if (folder / FACTS).is_file():
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        with (root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the API and the worker start at the same time
            if not (folder / FACTS).is_file():
                _convert(model, int8, folder)
    except OSError as error:
        raise NotConvertible(
            f"The converted form of {model.name} could not be kept in {root}: {error}.",
            "Set MOAT_EMBEDDER__CONVERTED to a folder that Moat may write to; torch is used instead, which is slower.",
        ) from error
    return folder


def facts_of(folder: Path) -> Facts:
    """Read what a converted model takes and gives."""
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    return Facts(facts["dimension"], facts["max_tokens"], tuple(facts["inputs"]), facts["tokens"])


def _convert(model: Path, int8: bool, folder: Path) -> None:
    """Convert in a process of its own: it loads torch, which nobody needs afterwards."""
    log.info("converting %s for OpenVINO, once", model.name, extra={"int8": int8})
    for left in folder.parent.glob("converting-*"):  # by a process that died; whoever holds the lock is alone here
        shutil.rmtree(left, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix="converting-", dir=folder.parent))
    try:
        command = [sys.executable, "-m", "moat.model_conversion", str(model), str(staging), "int8" if int8 else "f32"]
        run = subprocess.run(  # noqa: S603 - our own module, on a model that the admin named
            command, capture_output=True, text=True, timeout=_WAIT_S, check=False
        )
        if run.returncode:
            raise NotConvertible(
                f"OpenVINO cannot run {model.name}: {(run.stderr.strip().splitlines() or ['no reason given'])[-1]}",
                "MOAT_EMBEDDER__ENGINE=torch runs every sentence-transformers model, more slowly.",
            )
        staging.replace(folder)
    except subprocess.TimeoutExpired as late:
        raise NotConvertible(
            f"Converting {model.name} took over {_WAIT_S} s.", "Set MOAT_EMBEDDER__ENGINE=torch."
        ) from late
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _fingerprint(model: Path, int8: bool) -> str:
    """Name a model by its files and by what converts it."""
    whole = hashlib.blake2b(digest_size=16)
    whole.update(f"{_CONVERSION}:{int8}:{[metadata.version(name) for name in _CONVERTED_BY]}".encode())
    for file in sorted(path for path in model.rglob("*") if path.is_file()):
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "blake2b").hexdigest()
        whole.update(f"{file.relative_to(model)}:{digest}\n".encode())
    return f"{model.name}-{whole.hexdigest()}"
