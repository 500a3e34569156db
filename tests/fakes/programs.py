"""Programs that some tests need and this machine may lack."""

import os
import shutil

import pytest


def need(program: str, package: str, installed_by_make: bool) -> None:
    """Skip the test, naming what to install; fail it where `make test` was to have installed the program."""
    if shutil.which(program):
        return
    reason = f"no {program} on PATH: install it with 'apt-get install {package}'"
    if installed_by_make and os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)
