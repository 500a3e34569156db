"""The process's edge: keys are checked, calls are dispatched, errors become gRPC status codes, signals stop it."""

import hmac
import logging
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from typing import Any

import grpc

from moat.errors import Conflict, InvalidRequest, MoatError, NotFound, Unauthenticated, Unavailable
from services.edge.calls import CALLS, Call
from services.edge.refusal import PortTaken, Unsupported
from services.edge.store import Store

log = logging.getLogger("moat.edge")

TIDY_EVERY_S = 30.0
STOP_GRACE_S = 1.0
NOTICE_S = 0.5
MAX_MESSAGE_BYTES = 64 * 1024 * 1024
STATUS = {
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    Unsupported: grpc.StatusCode.UNIMPLEMENTED,
    NotFound: grpc.StatusCode.NOT_FOUND,
    Conflict: grpc.StatusCode.ALREADY_EXISTS,
    InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
}


def serve(folder: Path, port: int, api_key: str, reset: bool = False) -> None:
    """Serve a folder on loopback until SIGTERM or SIGINT, to callers with the key.

    Port 0 takes a free one; the line that says "ready" names it. `reset` first drops everything the folder holds.
    Raises CannotOpen (with an exit code) for a folder in use, another engine's data, or a taken port.
    """
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    store = Store(folder, reset)
    try:
        server, bound = start(store, port, api_key)
        log.info("ready on 127.0.0.1:%d (%d collections)", bound, len(store.catalog().collections))
        upkeep = Thread(target=_tidy_until, args=(stop, store), daemon=True)
        upkeep.start()
        # Without a time limit the wait can sleep through a signal that reaches another thread, or comes just before it.
        while not stop.wait(NOTICE_S):
            pass
        server.stop(STOP_GRACE_S).wait()
        upkeep.join(STOP_GRACE_S)
    finally:
        store.close()
    log.info("stopped")


def start(store: Store, port: int, api_key: str) -> tuple[grpc.Server, int]:
    """Start answering and return the server with its port. Raises PortTaken."""
    if not api_key:
        raise ValueError("an empty API key would let everybody in")
    server = grpc.server(
        ThreadPoolExecutor(max_workers=8, thread_name_prefix="edge"),
        handlers=[_Dispatch(store, api_key)],
        options=[
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # or a second server would silently share the port
        ],
    )
    try:
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
    except RuntimeError as refused:
        raise PortTaken(f"127.0.0.1:{port} cannot be bound: {refused}.") from refused
    server.start()
    return server, bound


class _Dispatch(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpcio ships no types
    """Hands each call to its function; without the key, no call reaches anything."""

    def __init__(self, store: Store, api_key: str) -> None:
        self._store = store
        self._api_key = api_key.encode()

    def service(self, details: Any) -> grpc.RpcMethodHandler:
        if not self._has_key(details.invocation_metadata):
            return _refusing(Unauthenticated("A valid api-key is needed.", "Send it as the metadata 'api-key'."))
        call = CALLS.get(details.method)
        if call is None:
            return _refusing(Unsupported(f"{details.method} is not served by the embedded Qdrant."))
        return grpc.unary_unary_rpc_method_handler(
            _answering(self._store, call),
            request_deserializer=call.request.FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )

    def _has_key(self, metadata: Any) -> bool:
        sent = [value for name, value in metadata if name == "api-key"]
        # Exactly one: with several, which one counts would be a guess. compare_digest takes constant time.
        return len(sent) == 1 and hmac.compare_digest(sent[0].encode(), self._api_key)


def _refusing(error: MoatError) -> grpc.RpcMethodHandler:
    def refuse(_request: bytes, context: grpc.ServicerContext) -> None:
        _abort(context, error)

    return grpc.unary_unary_rpc_method_handler(refuse)


def _answering(store: Store, call: Call) -> Callable[[Any, grpc.ServicerContext], Any]:
    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        started = perf_counter()
        try:
            response = call.answer(store, request)
        except MoatError as error:
            refusal = error
        except Exception as bug:
            log.exception("%s failed", call.answer.__name__)
            refusal = MoatError(f"{call.answer.__name__} failed: {bug!r}")
        else:
            if "time" in response.DESCRIPTOR.fields_by_name:
                response.time = perf_counter() - started
            return response
        return _abort(context, refusal)

    return answer


def _abort(context: grpc.ServicerContext, error: MoatError) -> None:
    code = next((code for kind, code in STATUS.items() if isinstance(error, kind)), grpc.StatusCode.INTERNAL)
    context.abort(code, f"{error.detail} {error.hint}".strip())


def _tidy_until(stop: Event, store: Store) -> None:
    while not stop.wait(TIDY_EVERY_S):
        try:
            store.tidy()
        except Exception:
            log.exception("upkeep failed, and is tried again")
