"""Faults that a test arms in a folder and that strike a process of the platform exactly where they were meant to.

A boundary is a statement of the ingesting task, which two modules share: what is armed there strikes before the
statement runs. Each process finds the folder in FAULTS; the files in it are the whole protocol, so that both sides
survive the other's death.
"""

import ast
import os
import signal
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import workers.tasks

TASK = "workers.ingest_document"
MODULES = ("workers.conclude", TASK)  # in the order in which one imports the other
STEPS = "_ingest"  # the function whose statements are the steps
_POLL_S = 0.02


class Boundary(NamedTuple):
    """A place in the task: before this statement, which may stand in a called function."""

    function: str
    line: int

    def __str__(self) -> str:
        return f"{self.function}.{self.line}"


class Faults:
    """The folder, from the test's side and from the process's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    @classmethod
    def from_environment(cls) -> "Faults":
        return cls(Path(os.environ["FAULTS"]))

    def arm(self, kind: str, boundary: Boundary) -> None:
        """Have the next process that comes there killed ("kill"), or linger there without a sign of life ("linger")."""
        (self.folder / f"{kind}-{boundary}").touch()

    def armed(self, kind: str) -> list[str]:
        """Name the boundaries where this still waits to strike."""
        return sorted(path.name for path in self.folder.glob(f"{kind}-*"))

    def struck(self, kind: str) -> int:
        """Count how often this has struck."""
        return len(list(self.folder.glob(f"{kind}ed-*")))

    def hold(self, boundary: Boundary) -> None:
        """Let every task wait there until `release`."""
        (self.folder / f"hold-{boundary}").touch()

    def release(self) -> None:
        """Let go on what waits or lingers."""
        for path in (*self.folder.glob("hold-*"), *self.folder.glob("silent-*")):
            path.unlink()

    def held(self) -> int:
        """Count the tasks that wait."""
        return len(list(self.folder.glob("waits-*")))

    def put(self, name: str, value: object) -> None:
        """State a fact that processes look up, such as the disk's being full."""
        temporary = self.folder / f".{name}"
        temporary.write_text(str(value))
        temporary.replace(self.folder / name)

    def drop(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)

    def value(self, name: str) -> str:
        """Give a fact, empty when it is not stated."""
        try:
            return (self.folder / name).read_text()
        except FileNotFoundError:
            return ""

    def number(self, name: str) -> int | None:
        """Give a fact that is a number."""
        return int(found) if (found := self.value(name)) else None

    def is_silent(self) -> bool:
        """Tell a process that it gives no sign of life while one of its tasks lingers."""
        return (self.folder / f"silent-{os.getpid()}").exists()

    def reached(self) -> set[Boundary]:
        """Give the boundaries that were passed while "record" was stated."""
        lines = (self.folder / "reached").read_text().splitlines()
        return {Boundary(name, int(number)) for name, number in (line.split(".") for line in lines)}

    def clear(self) -> None:
        for path in self.folder.iterdir():
            path.unlink()

    def strike_in_tasks(self) -> None:
        """Put a look at the folder before every statement of the task's modules."""
        for name in MODULES:
            module, source = import_module(name), _source(name)
            tree = _Watched().visit(ast.parse(Path(source).read_text()))
            module.__dict__["_pass_boundary"] = lambda function, line: self._pass(Boundary(function, line))
            exec(compile(ast.fix_missing_locations(tree), source, "exec"), module.__dict__)
        workers.tasks.ingest_once = import_module(TASK).ingest_once

    def _pass(self, boundary: Boundary) -> None:
        if (self.folder / "record").exists():
            with (self.folder / "reached").open("a") as file:
                file.write(f"{boundary}\n")
        if self._strikes("kill", boundary):
            os.kill(os.getpid(), signal.SIGKILL)
        if self._strikes("linger", boundary):
            self.put(f"silent-{os.getpid()}", "")
            while self.is_silent():
                time.sleep(_POLL_S)
        hold = self.folder / f"hold-{boundary}"
        if hold.exists():
            waits = self.folder / f"waits-{os.getpid()}-{threading.get_ident()}"
            waits.touch()
            while hold.exists():
                time.sleep(_POLL_S)
            waits.unlink(missing_ok=True)

    def _strikes(self, kind: str, boundary: Boundary) -> bool:
        try:
            # The rename makes it strike once, whoever else passes here at the same moment.
            (self.folder / f"{kind}-{boundary}").rename(self.folder / f"{kind}ed-{os.getpid()}-{boundary}")
        except FileNotFoundError:
            return False
        return True


class _Watched(ast.NodeTransformer):
    """Calls `_pass_boundary` before each statement of each function."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        for part in ast.walk(node):
            for name in ("body", "orelse", "finalbody"):
                if isinstance(statements := getattr(part, name, None), list):
                    setattr(part, name, [made for one in statements for made in (*_look(node.name, one), one)])
        return node


def _look(function: str, statement: ast.stmt) -> list[ast.stmt]:
    if _is_docstring(statement):
        return []
    return ast.parse(f"_pass_boundary({function!r}, {statement.lineno})").body


def steps() -> list[Boundary]:
    """List the boundaries between the steps of the task, in their order."""
    return [b for b in boundaries() if b.function == STEPS and b.line in _steps_lines()]


def before(call: str) -> Boundary:
    """Give the boundary before the step that calls this function."""
    source = Path(_source(TASK)).read_text().splitlines()
    (found,) = (step for step in steps() if f"{call}(" in source[step.line - 1])
    return found


def boundaries() -> list[Boundary]:
    """List every statement of every function in the task's modules."""
    functions = [
        node
        for name in MODULES
        for node in ast.walk(ast.parse(Path(_source(name)).read_text()))
        if isinstance(node, ast.FunctionDef)
    ]
    return [
        Boundary(function.name, node.lineno)
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.stmt) and node is not function and not _is_docstring(node)
    ]


def _steps_lines() -> set[int]:
    module = ast.parse(Path(_source(TASK)).read_text())
    (function,) = (node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == STEPS)
    return {statement.lineno for statement in function.body}


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _source(module: str) -> str:
    file = import_module(module).__file__
    assert file is not None
    return file
