"""Token vectors are kept in the smallest form that the server knows; a server that is away is not asked for another."""

from typing import Any

import grpc
import pytest
from qdrant_client import models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from moat.vector_collections import declare, forms
from moat.vector_search import TOKENS
from tests.fakes.edge_process import edge_process


class Refused(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code


class Older:
    """A server that knows only some forms, and says so as such a server does."""

    def __init__(self, known: set[str], refusal: Exception) -> None:
        self.known, self.refusal, self.made = known, refusal, [""]

    def create_collection(self, _name: str, vectors_config: dict[str, Any], **_: Any) -> None:
        form = vectors_config[TOKENS].datatype if TOKENS in vectors_config else "none"
        if form not in self.known:
            raise self.refusal
        self.made.append(form)


REFUSALS = [
    Refused(grpc.StatusCode.INVALID_ARGUMENT),
    UnexpectedResponse(422, "Unprocessable", b"unknown variant", None),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize(("known", "made"), [({"turbo8", "float16"}, "turbo8"), ({"float16"}, "float16")])
def test_an_older_server_gets_the_next_larger_form(refusal: Exception, known: set[str], made: str) -> None:
    server = Older(known, refusal)
    declare(server, "c", 4, forms("auto"))  # type: ignore[arg-type]
    assert server.made[-1] == made


def test_a_chosen_form_is_not_replaced() -> None:
    with pytest.raises(grpc.RpcError):
        declare(Older({"float16"}, REFUSALS[0]), "c", 4, forms("turbo4"))  # type: ignore[arg-type]


@pytest.mark.parametrize("away", [Refused(grpc.StatusCode.UNAVAILABLE), ResponseHandlingException(OSError("no route"))])
def test_a_server_that_is_away_is_not_asked_for_a_larger_form(away: Exception) -> None:
    server = Older({"float16"}, away)
    with pytest.raises((grpc.RpcError, ResponseHandlingException)):
        declare(server, "c", 4, forms("auto"))  # type: ignore[arg-type]
    assert server.made == [""]


def test_without_a_form_there_are_no_token_vectors() -> None:
    server = Older({"none"}, REFUSALS[0])
    declare(server, "c", 4, ())  # type: ignore[arg-type]
    assert server.made[-1] == "none"


def test_the_embedded_server_keeps_four_bits() -> None:
    with edge_process() as edge:
        client = edge.client()
        declare(client, "c", 4, forms("auto"))
        declared = client.get_collection("c").config.params.vectors
        assert isinstance(declared, dict)
        assert declared[TOKENS].datatype == models.Datatype.TURBO4
