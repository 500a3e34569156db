"""Generated calls of every route, right and wrong ones: no 5xx, no status and no body but those of the description."""

import zlib
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fakes.api import Api

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
FEW, MANY = 10, 100


@dataclass
class Target:
    """One installation with something in it, and the ids that calls may name."""

    api: Api
    known: dict[str, list[str]]

    def aim(self, case: schemathesis.Case) -> None:
        """Have most calls name something that is there: else they would all end at 404."""
        text = repr((case.path, case.path_parameters, case.query, case.body)).encode("utf-8", "surrogatepass")
        random = Random(zlib.crc32(text))
        for name, value in list((case.path_parameters or {}).items()):
            there = self.known.get(name)
            if there and isinstance(value, str) and random.random() < 0.7:
                case.path_parameters[name] = random.choice(there)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    api = Api(tmp_path_factory.mktemp("fuzzed"))
    documents = [api.add(f"{n}.txt", f"Lunch is served at {n}.\n") for n in range(20)]
    corpora = ["default"]
    for n in range(8):
        corpora.append(str(api.corpus(f"spare-{n}")))
    answers = [api.admin.post("/v1/answers", json={"question": "When is lunch?"}).json()["id"] for _ in range(3)]
    widget = api.admin.post("/v1/widgets", json={"name": "w", "origins": ["https://a.example"]}).json()["id"]
    # Not the key that calls: once it is revoked, all else would end at 401.
    keys = [api.admin.post("/v1/keys", json={"name": f"k{n}", "user": "u"}).json()["id"] for n in range(3)]
    job = api.admin.post("/v1/corpora/default/reindex", json={"chunk_tokens": 64}).json()["id"]
    api.admin.post(f"/v1/jobs/{job}/cancel")
    known = {"document_id": documents, "corpus": corpora, "answer_id": answers, "widget_id": [widget]}
    yield Target(api, known | {"key_id": keys, "job_id": [job]})
    api.close()


def fuzz(target: Target, examples: int) -> list[str]:
    """Call every operation with right and with wrong data; gives what was not as described."""
    schema = schemathesis.openapi.from_dict(keyless(target.api.app.openapi()))
    schema.app = target.api.app
    headers = {"Authorization": f"Bearer {target.api.admin_key}"}
    wrong: list[str] = []
    calls: Counter[int] = Counter()

    def call(case: schemathesis.Case) -> None:
        target.aim(case)
        response = case.call(headers=headers)
        calls[response.status_code] += 1
        try:
            case.validate_response(response, checks=list(CHECKS))
        except (FailureGroup, Failure) as failure:
            wrong.append(f"{case.method} {case.path} {response.status_code}: {failure}")

    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            # One and the same test for hypothesis, so that a seed gives the same calls each time.
            try:
                bounded(examples)(given(case=operation.as_strategy(generation_mode=mode))(call))()
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE  # nothing can be wrong with a call that takes nothing
    print(f"{sum(calls.values())} calls: {dict(sorted(calls.items()))}")
    assert calls[401] < sum(calls.values()) / 20
    assert calls[200] + calls[201] + calls[202] > len(list(schema.get_all_operations()))
    return wrong


def keyless(description: dict[str, Any]) -> dict[str, Any]:
    """Leave the key out of the description: else most wrong calls would be wrong in their key, and end at 401."""
    found = deepcopy(description)
    for operations in found["paths"].values():
        for operation in operations.values():
            operation.pop("security", None)
    return found


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def test_no_call_breaks_a_route_or_gets_what_is_not_described(target: Target) -> None:
    wrong = fuzz(target, FEW)
    assert not wrong, "\n".join(wrong)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_many_calls_break_no_route_and_get_nothing_that_is_not_described(target: Target) -> None:
    wrong = fuzz(target, MANY)
    assert not wrong, "\n".join(wrong[:50])
