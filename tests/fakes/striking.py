"""Has a process killed before a chosen statement of some modules; it must be installed before they are imported.

The folder in FAULTS is the whole protocol: `armed` holds how many statements the process may still pass. `passed` is
written on SIGUSR1 and says how many it has passed in all.
"""

import ast
import os
import signal
import sys
import threading
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any


class Striker:
    """Counts statements and strikes when as many were passed as the test has said."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._left: int | None = None
        self._passed = 0

    def install(self, modules: Sequence[str]) -> None:
        """Watch every statement of these modules, and of those in these packages."""
        sys.meta_path.insert(0, _Finder(frozenset(modules), self))

    def begin(self) -> None:
        """Be a new process, in which nothing was passed."""
        self._left, self._passed = None, 0
        signal.signal(signal.SIGUSR1, self._tell)

    def step(self) -> None:
        with self._lock:
            self._passed += 1
            if self._left is None:
                self._left = self._take()
            if self._left is not None:
                self._left -= 1
                if self._left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

    def _take(self) -> int | None:
        taken = self._folder / f"taken-{os.getpid()}"
        try:
            (self._folder / "armed").rename(taken)
        except FileNotFoundError:
            return None
        return int(taken.read_text())

    def _tell(self, *_: Any) -> None:
        (self._folder / "passed.new").write_text(str(self._passed))
        (self._folder / "passed.new").rename(self._folder / "passed")


class _Finder(MetaPathFinder):
    def __init__(self, modules: frozenset[str], striker: Striker) -> None:
        self._modules = modules
        self._striker = striker

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if not any(fullname == name or fullname.startswith(f"{name}.") for name in self._modules):
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.origin is not None:
            spec.loader = _Loader(fullname, spec.origin, self._striker)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, striker: Striker) -> None:
        super().__init__(fullname, path)
        self._striker = striker

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        tree = _Watched().visit(ast.parse(self.get_data(path)))
        code: CodeType = compile(ast.fix_missing_locations(tree), path, "exec")
        return code

    def exec_module(self, module: Any) -> None:
        module.__dict__["_step"] = self._striker.step
        super().exec_module(module)


class _Watched(ast.NodeTransformer):
    """Calls `_step` before each statement of each function."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._watch(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._watch(node)

    def _watch(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        for part in ast.walk(node):
            for name in ("body", "orelse", "finalbody"):
                statements = getattr(part, name, None)
                if isinstance(statements, list) and statements and not isinstance(part, ast.ClassDef):
                    setattr(part, name, [made for one in statements for made in (*_look(one), one)])
        return node


def _look(statement: ast.stmt) -> list[ast.stmt]:
    is_docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return [] if is_docstring or isinstance(statement, ast.Nonlocal) else ast.parse("_step()").body
