"""Where the API listens, whom it believes, and what it lets a connection cost."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi.testclient import TestClient

from cli.address import Address
from cli.client import Client
from cli.main import run
from moat.api_settings import ApiSettings
from moat.errors import InvalidRequest
from moat.exposure import check_exposure
from moat.settings import Settings
from services.limits import RequestLimit
from services.server import configuration
from tests.fakes.api import Api, problem

PROXY, CALLER, STRANGER = "10.9.8.7", "198.51.100.4", "203.0.113.9"
SECURE = {"https": "https://testserver", "http": "http://testserver"}


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for another name than this machine's, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "moat.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "certificate.pem", folder / "key.pem"


@contextmanager
def listening(app: Any, api: ApiSettings) -> Iterator[int]:
    """Serve as the product does, on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(configuration(app, api))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "192.168.1.2", "nowhere.invalid", "0"])
def test_beyond_this_machine_takes_tls_or_a_declared_proxy(host: str) -> None:
    with pytest.raises(InvalidRequest, match="without TLS") as refused:
        check_exposure(ApiSettings(host=host))
    assert "MOAT_API__TRUSTED_PROXIES" in refused.value.hint
    check_exposure(ApiSettings(host=host, trusted_proxies=(PROXY,)))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_alone_takes_nothing(host: str) -> None:
    check_exposure(ApiSettings(host=host))


def test_moat_up_refuses_before_it_starts_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    assert run(["up", "--home", str(home), "--host", "0.0.0.0"]) == 1
    assert "beyond this machine, without TLS" in capsys.readouterr().err
    assert not home.exists()


@pytest.mark.parametrize(
    ("name", "value", "fact"),
    [
        ("MOAT_API__TRUSTED_PROXIES", '["*"]', "no address and no network"),
        ("MOAT_API__TRUSTED_PROXIES", '["0.0.0.0/0"]', "every address there is"),
        ("MOAT_API__TRUSTED_PROXIES", '["::/0"]', "every address there is"),
        ("MOAT_API__FRAME_ANCESTORS", '["*"]', "no origin"),
        ("MOAT_API__FRAME_ANCESTORS", '["https://a.example; script-src *"]', "no origin"),
        ("MOAT_API__TLS_KEY", "/a/key.pem", "both tls_certificate and tls_key"),
    ],
)
def test_settings_that_would_open_everything_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, fact: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidRequest, match=fact):
        Settings.load()


def test_a_certificate_that_cannot_serve_is_named(pem: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be served"):
        check_exposure(ApiSettings(tls_certificate=pem[1], tls_key=pem[1]))
    with pytest.raises(InvalidRequest, match="No such file"):
        check_exposure(ApiSettings(tls_certificate=tmp_path / "none", tls_key=pem[1]))


def test_tls_is_served_and_the_command_line_knows_its_own_server(tmp_path: Path, pem: tuple[Path, Path]) -> None:
    tls = ApiSettings(host="0.0.0.0", tls_certificate=pem[0], tls_key=pem[1])
    api = Api(tmp_path, api=tls.model_dump())
    with listening(api.app, tls) as port:
        url = f"https://127.0.0.1:{port}"
        mine = Client(lambda: Address(url, api.admin_key, str(pem[0])))
        assert mine.get("/v1/corpora")["items"]
        mine.close()
        with pytest.raises(httpx.ConnectError):  # others check name and issuer
            httpx.get(url)
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{port}/")
        unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        answer = httpx.get(url, verify=unchecked)
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert "server" not in answer.headers
    api.close()


def from_(app: Any, host: str, scheme: str = "http", **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    client = TestClient(app, base_url=SECURE[scheme], client=(host, 1), headers=sent)
    return client.get("/")  # type: ignore[return-value]


def test_plain_http_from_another_machine_is_refused_but_of_a_declared_proxy(tmp_path: Path) -> None:
    api = Api(tmp_path, api={"trusted_proxies": (PROXY, "2001:db8:1::/48")})
    assert problem(from_(api.app, STRANGER), 403)["type"] == "urn:moat:insecure_transport"
    assert problem(from_(api.app, STRANGER, x_forwarded_proto="https", x_forwarded_for="127.0.0.1"), 403)
    for peer in (PROXY, "2001:db8:1::5", "127.0.0.1", "::1", f"::ffff:{PROXY}"):
        assert from_(api.app, peer).status_code == 200, peer
    assert from_(api.app, STRANGER, "https").status_code == 200
    api.close()


def test_what_a_proxy_says_is_believed_of_declared_ones_alone(tmp_path: Path) -> None:
    rates = {"per_key": 0, "per_user": 0, "per_address": 2, "window_s": 60, "refusal_s": 0}
    api = Api(tmp_path, broker={"url": "memory://"}, api={"trusted_proxies": (PROXY,)}, rates=rates)

    def through(peer: str, caller: str, scheme: str = "https") -> httpx.Response:
        return from_(api.app, peer, x_forwarded_for=caller, x_forwarded_proto=scheme)

    told = [through(PROXY, f"1.1.1.1, {CALLER}") for _ in range(3)]  # what the caller wrote itself counts for nothing
    assert [answer.status_code for answer in told] == [200, 200, 429]
    assert told[0].headers["strict-transport-security"]
    assert through(PROXY, "198.51.100.5").status_code == 200
    assert "strict-transport-security" not in through(PROXY, "198.51.100.6", "http").headers
    # One that is not declared cannot change its address, nor claim TLS.
    spoofed = [through("127.0.0.1", f"192.0.2.{n}") for n in range(3)]
    assert [answer.status_code for answer in spoofed] == [200, 200, 429]
    assert "strict-transport-security" not in spoofed[0].headers
    api.close()


def test_every_answer_carries_the_headers_whatever_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(tmp_path)
    monkeypatch.setattr("services.admin.corpora.readable_corpora", lambda *_: 1 / 0)
    for path in (
        "/",
        "/docs",
        "/widget.js",
        "/static/page.css",
        "/openapi.json",
        "/v1/corpora",
        "/v1/models",
        "/nowhere",
    ):
        answer = api.admin.get(path)
        assert answer.status_code == {"/v1/corpora": 500, "/nowhere": 404}.get(path, 200)
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["referrer-policy"] == "no-referrer", path
        assert "camera=()" in answer.headers["permissions-policy"], path
        assert "default-src" in answer.headers["content-security-policy"], path
        assert "unsafe" not in answer.headers["content-security-policy"], path
        assert "access-control-allow-credentials" not in answer.headers, path
        assert "set-cookie" not in answer.headers, path
    for path in ("/v1/models", "/health/ready", "/openapi.json", "/nowhere"):
        assert api.admin.get(path).headers["cache-control"] == "no-store"
    api.close()


BOUNDS = ApiSettings(
    header_timeout_s=2, body_timeout_s=1, min_body_bytes_per_s=1_000, max_header_bytes=4_096, max_connections=20
)


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, int]]:
    api = Api(tmp_path_factory.mktemp("bounded"), api=BOUNDS.model_dump())
    with listening(api.app, BOUNDS) as port:
        yield api, port
    api.close()


def said(port: int, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """Send pieces one after the other and read until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for piece in pieces:
            try:
                connection.sendall(piece)
            except OSError:
                break
            time.sleep(pause_s)
        answer = b""
        try:
            while more := connection.recv(65_536):
                answer += more
        except ConnectionResetError:
            pass
    return answer


def test_a_connection_that_says_nothing_or_dribbles_its_header_is_closed(bounded: tuple[Api, int]) -> None:
    began = time.monotonic()
    assert said(bounded[1]) == b""
    assert said(bounded[1], b"GET / HTTP/1.1\r\n", *[b"X: y\r\n"] * 20, pause_s=0.2) == b""
    assert time.monotonic() - began < 25


def test_a_header_over_the_limit_is_refused(bounded: tuple[Api, int]) -> None:
    long = b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n"
    assert said(bounded[1], long).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    at_once = httpx.get(f"http://127.0.0.1:{bounded[1]}/", headers={"X-Long": "x" * 5_000}, timeout=30)
    assert problem(at_once, 431)["hint"]
    in_pieces = [long[at : at + 2_000] for at in range(0, 10_000, 2_000)]
    assert said(bounded[1], *in_pieces).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))


def test_a_request_after_another_on_one_connection_has_its_time_too(bounded: tuple[Api, int]) -> None:
    whole = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = said(bounded[1], whole, whole, b"GET / HTTP/1.1\r\nHost:", pause_s=0.3)
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert answer.endswith(b'{"live":true}')


@pytest.mark.parametrize("path", ["/v1/search", "/v1/corpora/default/documents"])
def test_a_body_that_dribbles_is_given_up_and_leaves_nothing(bounded: tuple[Api, int], path: str) -> None:
    api, port = bounded
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {api.admin_key}\r\nContent-Length: 100000\r\n"
    kind = "Content-Type: multipart/form-data; boundary=b\r\n\r\n" if "documents" in path else "\r\n"
    body = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\n'
    answer = said(port, (head + kind).encode(), body, *[b"x"] * 15, pause_s=0.2)
    assert answer.startswith(b"HTTP/1.1 408 "), answer[:200]
    assert b"urn:moat:too_slow" in answer
    assert api.files("staging") == []


def test_a_slow_answer_is_no_slow_body(bounded: tuple[Api, int]) -> None:
    """Waiting for the client's leaving, as a stream does, is not bounded by the body's time."""
    port = bounded[1]

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.request"
        await asyncio.sleep(0)
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(1.5)
        assert not waiting.done()
        waiting.cancel()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with listening(RequestLimit(slow, BOUNDS), BOUNDS) as other:
        assert httpx.post(f"http://127.0.0.1:{other}/", json={}, timeout=30).status_code == 204
    assert httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=30).status_code == 200


def test_connections_beyond_the_limit_do_not_stop_the_others(bounded: tuple[Api, int]) -> None:
    port = bounded[1]
    held = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(BOUNDS.max_connections + 5)]
    try:
        assert httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=30).status_code == 503
    finally:
        for connection in held:
            connection.close()
    deadline = time.monotonic() + 20
    while httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=30).status_code != 200:
        assert time.monotonic() < deadline
