"""Nothing but the open internet is connected to, however its address is written, renamed or redirected."""

import io
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from moat.errors import FetchFailed, FetchRefused
from moat.fetch import Fetcher
from moat.settings import FetchSettings

HOSTILE = [
    *("127.0.0.1", "127.0.0.2", "127.1", "127.0.1", "0.0.0.0", "0", "2130706433", "0x7f000001", "017700000001"),
    *("0177.0.0.1", "0x7f.0.0.1", "0x7f.1", "127.0.0.1.", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.1"),
    *("192.168.0.1", "192.168.1.254", "169.254.169.254", "169.254.0.1", "2852039166", "0xa9fea9fe", "100.64.0.1"),
    *("100.127.255.254", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
    *("239.255.255.250", "240.0.0.1", "255.255.255.255", "192.88.99.1", "[::1]", "[::]", "[::ffff:127.0.0.1]"),
    *("[::ffff:7f00:1]", "[::ffff:10.0.0.1]", "[::ffff:169.254.169.254]", "[::127.0.0.1]", "[fe80::1]", "[fec0::1]"),
    *("[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[2002:7f00:1::]", "[2002:a00:1::1]", "[2002:808:808::1]"),
    *("[64:ff9b::127.0.0.1]", "[64:ff9b::a00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", "[2001:0:7f00:1::]"),
    *("[2001:db8::1]", "[3fff::1]", "[100::1]", "[5f00::1]", "[2600::5efe:7f00:1]", "[2600::200:5efe:a00:1]"),
    # The same few machines in every form that some resolver or library reads: decimal, octal, hex, mixed, short, long.
    *(
        "0300.0250.0.1",
        "0xc0.0xa8.0.1",
        "3232235521",
        "0xc0a80001",
        "030052000001",
        "192.168.1",
        "192.11010049",
        "10.1",
    ),
    *("0xa000001", "012.0.0.1", "167772161", "0012.0000.0000.0001", "172.1048577", "0xac100001", "2886729729"),
    *("0251.0376.0251.0376", "0xa9.0xfe.0xa9.0xfe", "169.16689662", "025177524776", "0xA9FEA9FE", "169.254.43518"),
    *("127.0.0.1%00", "127.0.0.1%2e", "127.0.0.01", "0000127.0.0.1", "4294967295", "0xffffffff", "00", "0x0", "127..1"),
    # IPv4 inside IPv6: mapped, compatible, NAT64, 6to4, Teredo, ISATAP; zones; unusual spellings.
    *("[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::0001]", "[::ffff:0:127.0.0.1]", "[::ffff:127.1]", "[::FFFF:A9FE:A9FE]"),
    *(
        "[::ffff:c0a8:1]",
        "[::ffff:ac10:1]",
        "[::a00:1]",
        "[::a9fe:a9fe]",
        "[::1%25lo]",
        "[fe80::1%25eth0]",
        "[ff05::1]",
    ),
    *("[64:ff9b::c0a8:1]", "[64:ff9b::192.168.0.1]", "[64:ff9b::]", "[64:ff9b:1:7f00::1]", "[2002:c0a8:1::]"),
    *("[2002:a9fe:a9fe::]", "[2001::1]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[2001:10::1]", "[2001:20::1]"),
    *("[2600::5efe:c0a8:1]", "[2600::200:5efe:a9fe:a9fe]", "[fd12:3456::1]", "[fcff::]", "[4000::1]", "[ffff::1]"),
    *("[::ffff:0.0.0.0]", "[::ffff:255.255.255.255]", "[2001:db8:ffff::1]", "[3fff:fff::1]", "[100::ffff]"),
    *("①②⑦.0.0.1", "127。0。0。1", "0x7f.0x0.0x0.0x1", "1.1", "08.8.8.8", "999.1.1.1", "1.2.3.4.5"),
]
NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "intranet": ["10.1.2.3"],
    "metadata.example": ["169.254.169.254"],
    "mixed.example": ["93.184.216.34", "10.0.0.1"],
    "mapped.example": ["::ffff:192.168.0.1"],
    "sixtofour.example": ["2002:c0a8:1::1"],
    "scoped.example": ["fe80::1%eth0"],
    "carrier.example": ["100.64.3.2"],
    "nat64.example": ["64:ff9b::c0a8:101"],
    "local.example": ["fd00::1"],
    "isatap.example": ["2600::5efe:7f00:1"],
    "teredo.example": ["2001:0:7f00:1::"],
    "everywhere.example": ["0.0.0.0"],
    "group.example": ["239.1.1.1"],
    "last-of-many.example": ["93.184.216.34", "2606:2800:220:1::1", "93.184.216.35", "::1"],
    "metadata-v6.example": ["fd00:ec2::254"],
    "mapped-metadata.example": ["::ffff:169.254.169.254"],
    "localhost.": ["127.0.0.1"],
    "127.0.0.1.rebinder.example": ["127.0.0.1"],
}
OPEN = "93.184.216.34"


def page(body: bytes) -> httpx.Response:
    return httpx.Response(200, stream=httpx.ByteStream(body))


class Web:
    """A resolver and a network in one: it answers by script, and remembers each address connected to."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response] | None = None) -> None:
        self.connected: list[str] = []
        self.requests: list[httpx.Request] = []
        self.resolved: list[str] = []
        self.names: dict[str, list[list[str]]] = {}
        self._answer = answer or (lambda request: page(b"hello"))

    def resolve(self, host: str, port: int) -> list[str]:
        self.resolved.append(host)
        if host in self.names:
            return self.names[host].pop(0) if len(self.names[host]) > 1 else self.names[host][0]
        return NAMES.get(host, [OPEN])

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.connected.append(request.url.host)
        self.requests.append(request)
        return self._answer(request)

    def fetch(self, url: str, **settings: Any) -> tuple[Any, bytes]:
        into = io.BytesIO()
        fetcher = Fetcher(FetchSettings(**settings), self.resolve, httpx.MockTransport(self.handle))
        return fetcher.fetch(url, into), into.getvalue()


def location(url: str) -> httpx.Response:
    return httpx.Response(302, headers={b"Location": url.encode()})


def test_there_are_many_addresses_and_each_is_another() -> None:
    assert len({*HOSTILE, *NAMES}) == len(HOSTILE) + len(NAMES) >= 150


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", [*HOSTILE, *NAMES])
def test_a_hostile_address_is_refused_and_nothing_connects(host: str, scheme: str) -> None:
    web = Web()
    with pytest.raises((FetchRefused, FetchFailed)) as refused:
        web.fetch(f"{scheme}://{host}/")
    assert web.connected == []
    assert refused.value.hint


@pytest.mark.parametrize("host", [*HOSTILE, *NAMES])
def test_a_redirect_to_a_hostile_address_is_not_followed(host: str) -> None:
    web = Web(lambda request: location(f"http://{host}/secret"))
    with pytest.raises((FetchRefused, FetchFailed)):
        web.fetch("http://open.example/")
    assert web.connected == [OPEN]


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "ftp://open.example/", "gopher://open.example/", "//open.example", "open.example", ""),
        *("http://", "http://user:pass@open.example/", "http://open.example@127.0.0.1/", "data:text/plain,x"),
        *("http://open.example:22/", "http://open.example:6379/", "http://[::1", "http://open.example:99999/"),
        *("javascript:alert(1)", "http://exa mple/", "http://\0/", "unix:///run/x.sock"),
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    web = Web()
    with pytest.raises(FetchRefused):
        web.fetch(url)
    assert web.connected == []


def test_the_connection_is_pinned_to_the_address_that_was_checked() -> None:
    web = Web()
    web.names["rebinding.example"] = [[OPEN], ["127.0.0.1"]]
    found, body = web.fetch("https://rebinding.example/page?q=1")
    assert (web.connected, web.resolved) == ([OPEN], ["rebinding.example"])
    (request,) = web.requests
    assert request.headers["host"] == "rebinding.example"
    assert request.extensions["sni_hostname"] == "rebinding.example"
    assert (found.url, body) == ("https://rebinding.example/page?q=1", b"hello")


def test_a_name_that_is_rebound_before_a_redirect_to_itself_is_refused() -> None:
    web = Web(lambda request: location("/again"))
    web.names["rebinding.example"] = [[OPEN], ["127.0.0.1"]]
    with pytest.raises(FetchRefused):
        web.fetch("http://rebinding.example/")
    assert web.connected == [OPEN]


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "[::ffff:169.254.169.254]", "intranet", "mixed.example"])
@pytest.mark.parametrize("hops", [1, 2, 5])
def test_a_chain_of_redirects_is_left_where_it_turns_hostile(host: str, hops: int) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        number = int(request.url.path.strip("/") or 0) + 1
        return location(f"http://hop{number}.example/{number}" if number < hops else f"//{host}/secret")

    web = Web(answer)
    with pytest.raises(FetchRefused):
        web.fetch("http://hop0.example/0")
    assert web.connected == [OPEN] * hops


def test_redirects_are_followed_to_their_end_and_not_for_ever() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        number = int(request.url.path.strip("/") or 0)
        return location(f"/{number + 1}") if number < 3 else page(b"end")

    assert Web(answer).fetch("http://open.example/0")[0].url == "http://open.example/3"
    with pytest.raises(FetchRefused, match="more than 2 times"):
        Web(answer).fetch("http://open.example/0", max_redirects=2)


def test_a_redirect_from_https_to_http_is_refused() -> None:
    with pytest.raises(FetchRefused, match="https to http"):
        Web(lambda request: location("http://open.example/")).fetch("https://open.example/")


def test_an_answer_over_the_limit_is_cut_off() -> None:
    with pytest.raises(FetchRefused, match="over 1,000 bytes"):
        Web(lambda request: page(b"x" * 1_001)).fetch("http://open.example/", max_bytes=1_000)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404),
        httpx.Response(500),
        httpx.Response(200, headers={"Content-Type": "video/mp4"}),
        httpx.Response(302),
    ],
    ids=["missing", "fault", "video", "nowhere"],
)
def test_what_is_no_document_is_not_taken(answer: httpx.Response) -> None:
    with pytest.raises((FetchRefused, FetchFailed)):
        Web(lambda request: answer).fetch("http://open.example/")


def test_a_compressed_answer_is_refused_before_it_is_unpacked() -> None:
    stream = httpx.ByteStream(b"\x1f\x8b")
    bomb = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=stream)
    with pytest.raises(FetchRefused, match="compressed"):
        Web(lambda request: bomb).fetch("http://open.example/")


def test_an_allowed_host_of_the_intranet_is_fetched_but_never_a_link_local_address() -> None:
    web = Web()
    assert web.fetch("http://intranet/", allow_hosts=("intranet",))[1] == b"hello"
    assert web.connected == ["10.1.2.3"]
    metadata = ("169.254.169.254", "[fd00:ec2::254]", "100.100.100.200", "192.0.0.192", "[64:ff9b::a9fe:a9fe]")
    hidden = ("[64:ff9b::100.100.100.200]", "[2002:a9fe:a9fe::]", "[2600::5efe:a9fe:a9fe]", "[::ffff:100.100.100.200]")
    for host in ("metadata.example", *metadata, *hidden):
        with pytest.raises(FetchRefused):
            web.fetch(f"http://{host}/", allow_hosts=(host.strip("[]"),))
    assert web.connected == ["10.1.2.3"]
    with pytest.raises(FetchRefused):
        web.fetch("http://localhost/", allow_hosts=("intranet",))


# Who speaks to a network at all, and to whom. All but the first reach only what the operator's settings name.
CLIENTS = {
    "ingest/fork_server.py": "no one: a Unix socket to its own parent",
    "ingest/sandbox_process.py": "no one: the other end of that socket",
    "moat/fetch.py": "addresses that somebody gave",
    "moat/issuer_keys.py": "the issuer of sign-ins, through moat/fetch.py",
    "moat/exposure.py": "no one: it asks the resolver about the API's own address",
    "moat/llm/wires/anthropic.py": "providers",
    "moat/llm/wires/bedrock.py": "providers",
    "moat/llm/wires/cohere.py": "providers",
    "moat/llm/wires/connections.py": "providers",
    "moat/llm/wires/failures.py": "no one: it tells the clients' errors apart",
    "moat/llm/wires/google.py": "providers",
    "moat/llm/wires/ollama.py": "providers",
    "moat/llm/wires/openai.py": "providers",
    "moat/llm/wires/tls.py": "no one: it reads the root certificates",
    "moat/object_blobs.py": "the bucket",
    "moat/vector_collections.py": "no one: it tells the client's errors apart",
    "moat/vectors.py": "Qdrant",
    "services/edge/server.py": "no one: it is the embedded Qdrant",
    "workers/app.py": "no one: it asks for the machine's name",
    "workers/sources/reader_child.py": "the hosts that a source's `network` names, checked by its own guard",
}
_SPEAKING = re.compile(
    r"^\s*(?:import|from) (httpx|urllib\.request|urllib3|requests|aiohttp|socket|http\.client|openai|grpc|fsspec|s3fs"
    r"|ftplib|smtplib|websockets|redis|botocore|httpx2|anthropic|cohere|ollama|aiobotocore|google(?!\.protobuf))\b",
    re.M,
)


def test_whatever_else_fetches_goes_through_the_one_that_checks() -> None:
    root = Path(__file__).parents[2]
    speaking = {
        str(file.relative_to(root))
        for package in ("moat", "answering", "ingest", "workers", "services")
        for file in (root / package).rglob("*.py")
        if _SPEAKING.search(file.read_text(encoding="utf-8"))
    }
    assert speaking == set(CLIENTS)


class Dribble(BaseHTTPRequestHandler):
    """Serves a page, or a header that never ends."""

    def do_GET(self) -> None:
        if self.path == "/":
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(b"over a real socket")
            return
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        try:
            while True:
                self.wfile.write(b"X: y\r\n")
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:  # the client has gone
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[int]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Dribble)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made.server_port
    made.shutdown()
    made.server_close()


def test_a_real_connection_goes_to_the_pinned_address(server: int) -> None:
    fetcher = Fetcher(FetchSettings(allow_hosts=(f"wiki.corp:{server}",)), lambda host, port: ["127.0.0.1"])
    into = io.BytesIO()
    found = fetcher.fetch(f"http://wiki.corp:{server}/", into)
    assert (into.getvalue(), found.media_type, found.size) == (b"over a real socket", "text/plain", 18)


def test_a_server_that_dribbles_is_left_at_the_deadline(server: int) -> None:
    fetcher = Fetcher(FetchSettings(allow_hosts=("wiki.corp",), timeout_s=0.5), lambda host, port: ["127.0.0.1"])
    began = time.monotonic()
    with pytest.raises(FetchFailed, match="longer than"):
        fetcher.fetch(f"http://wiki.corp:{server}/dribble", io.BytesIO())
    assert time.monotonic() - began < 10
