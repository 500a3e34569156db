"""An OpenID Connect issuer over HTTP: discovery, a set of keys, and tokens, also such as it should not make."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from time import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.fakes.served import served

AUDIENCE = "moat"


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Make a key once for all tests; they are slow to make."""
    return rsa.generate_private_key(65537, bits)


def public_jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, **more: Any) -> dict[str, Any]:
    """Write the public half as a key set does."""
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**json.loads(algorithm.to_jwk(key.public_key())), "use": "sig", **more}


class FakeIssuer:
    """What is served can be changed at any time; `fetched` counts requests by path."""

    def __init__(self) -> None:
        self.url = ""
        self.key = rsa_key("issuer")
        self.keys: list[Any] = [public_jwk(self.key, kid="one", alg="RS256")]
        self.fetched: list[str] = []
        self.discovery: dict[str, Any] = {}
        self.down = False

    @property
    def public_pem(self) -> str:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def claims(self, **changed: Any) -> dict[str, Any]:
        """The claims of a good token; None takes one out."""
        now = int(time())
        good = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "groups": ["hr"], "iat": now, "exp": now + 300}
        return {name: value for name, value in (good | changed).items() if value is not None}

    def token(
        self, key: Any = None, algorithm: str = "RS256", headers: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """Sign a token; by default it is a good one."""
        headers = {"kid": "one"} | (headers or {})
        return jwt.encode(self.claims(**claims), key or self.key, algorithm, headers)

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        self.fetched.append(path)
        body: Any = None
        if path.endswith("/.well-known/openid-configuration"):
            body = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | self.discovery
        elif path.endswith("/keys"):
            body = {"keys": self.keys}
        status = 503 if self.down else 404 if body is None else 200
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})


@contextmanager
def issuing() -> Iterator[FakeIssuer]:
    """Serve an issuer on this machine."""
    made = FakeIssuer()

    async def app(scope: Any, receive: Any, send: Any) -> None:  # a bound method is taken for another protocol
        await made.answer(scope, receive, send)

    with served(app) as url:
        made.url = url
        yield made
