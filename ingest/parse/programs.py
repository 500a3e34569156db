"""The programs that parsers may start: one for a family of formats, no other, under the limits of their parser."""

import ctypes
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from moat.errors import ParsingFailed

_PR_SET_PDEATHSIG = 1
_SHOWN_BYTES = 2000


def program_of(family: str) -> str:
    """Name the one program that this family's parser may start, or nothing when there is none on this machine."""
    find = _PROGRAMS.get(family)
    return find() if find else ""


def run(program: str, arguments: list[str], name: str, given: bytes = b"") -> bytes:
    """Give what the program wrote; raises `ParsingFailed` when it could not read its input.

    The program inherits the sandbox: limits of memory, CPU time and file size, no network, and the sandbox's folder
    as the place for temporary files. The wall limit ends it with its parser.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        done = subprocess.run(  # noqa: S603
            [program, *arguments], input=given, stdout=output, stderr=errors, check=False, preexec_fn=_follow_parent
        )
        errors.seek(0)
        told = errors.read(_SHOWN_BYTES).decode("utf-8", "replace")
        if done.returncode == -signal.SIGXCPU:
            raise ParsingFailed(
                f"Reading {name!r} took too many CPU seconds.",
                "Split or simplify the document; if it is legitimate, raise MOAT_SANDBOX__CPU_S.",
            )
        if done.returncode:
            sys.stderr.write(told)
            raise ParsingFailed(
                f"{name!r} could not be read by {Path(program).name}.",
                "Open it with its program, save it again, or export it as PDF, and send the new file.",
            )
        output.seek(0)
        return output.read()


def _follow_parent() -> None:
    """Die with the parser: the kernel does not pass its own vow to do so on (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _pandoc() -> str:
    """Prefer the one that comes with the `pypandoc_binary` package."""
    package = find_spec("pypandoc")
    shipped = Path(package.origin).parent / "files" / "pandoc" if package and package.origin else None
    return str(shipped) if shipped and shipped.exists() else shutil.which("pandoc") or ""


def _tesseract() -> str:
    return shutil.which("tesseract") or ""


def _office() -> str:
    return shutil.which("soffice") or shutil.which("libreoffice") or ""


_PROGRAMS: dict[str, Callable[[], str]] = {
    "pandoc": _pandoc,
    "picture": _tesseract,
    "pdf": _tesseract,
    "legacy": _office,
}
