"""A long measurement waits for a server with too much work instead of counting its refusals as results."""

from collections.abc import Mapping
from typing import Any

import pytest

from cli.client import CliError
from cli.evaluations import Patient


class Busy:
    """Refuses so many calls, then answers."""

    def __init__(self, refusals: int, retry_after_s: float | None) -> None:
        self.refusals, self.retry_after_s = refusals, retry_after_s

    def post(self, path: str, json: Mapping[str, Any]) -> dict[str, Any]:
        return self.get(path)

    def get(self, path: str) -> dict[str, Any]:
        if self.refusals:
            self.refusals -= 1
            raise CliError(429, "Too many", "Slowly.", retry_after_s=self.retry_after_s)
        return {"path": path}


def test_a_refused_call_is_made_again_after_the_time_that_the_server_named() -> None:
    waited: list[float] = []
    patient = Patient(Busy(2, 7.0), waited.append)
    assert patient.post("/v1/search", {}) == {"path": "/v1/search"}
    assert waited == [7.0, 7.0]


def test_another_error_is_told_at_once() -> None:
    with pytest.raises(CliError):
        Patient(Busy(1, None), lambda seconds: pytest.fail("waited")).get("/v1/models")
