"""What the static routes send: types, caching and the headers that keep the page safe."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from moat.errors import NotFound
from services.web import routes

STATIC = Path(routes.__file__).parent / "static"


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    app.include_router(routes.router())
    return TestClient(app)


def test_page_allows_nothing_inline_nothing_foreign_and_no_frame(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["x-frame-options"] == "DENY"


def test_a_named_origin_may_frame_the_page_and_no_other() -> None:
    app = FastAPI()
    app.include_router(routes.router(("https://intranet.example.com",)))
    answer = TestClient(app).get("/")
    assert answer.headers["content-security-policy"].endswith("; frame-ancestors https://intranet.example.com")
    assert "x-frame-options" not in answer.headers


def test_widget_may_be_loaded_by_any_origin(client: TestClient) -> None:
    for path in ("/widget.js", "/static/chat/element.js"):
        answer = client.get(path)
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize("path", ["/", "/widget.js", "/static/page.css", "/static/mark.svg"])
def test_known_version_is_not_sent_again(client: TestClient, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert again.status_code == 304
    assert again.content == b""
    assert client.get(path, headers={"If-None-Match": '"other"'}).content == first.content
    head = client.head(path)
    assert head.status_code == 200
    assert head.headers["content-length"] == str(len(first.content))


@pytest.mark.parametrize(
    "path", ["/static/%2e%2e/routes.py", "/static/chat/..%2f..%2froutes.py", "/static/none.js", "/static/index.html"]
)
def test_nothing_but_the_static_files_is_served(client: TestClient, path: str) -> None:
    with pytest.raises(NotFound):
        client.get(path)


def test_every_file_that_is_referred_to_is_served(client: TestClient) -> None:
    page = client.get("/").text
    for reference in re.findall(r'(?:src|href)="([^"#]+)"', page):
        assert client.get(f"/{reference}").status_code == 200
    for script in STATIC.rglob("*.js"):
        for imported in re.findall(r'from "(\.[^"]+)"', script.read_text()):
            assert (script.parent / imported).resolve().is_file(), f"{script.name} imports {imported}"


def test_no_static_file_names_a_foreign_host_or_writes_markup() -> None:
    for file in STATIC.rglob("*"):
        if not file.is_file():
            continue
        text = file.read_text()
        hosts = set(re.findall(r"https?://([\w.-]+)", text)) - {"www.w3.org", "moat.example", "intranet.example.com"}
        assert hosts == set(), file.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), file.name
