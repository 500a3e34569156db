"""The issuer's keys are fetched when they are needed, seldom, and from nowhere the operator did not mean."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from moat.errors import FetchFailed, FetchRefused, Unavailable
from moat.identity_settings import OidcSettings
from moat.issuer_keys import IssuerKeys
from moat.settings import FetchSettings
from tests.fakes.issuer import FakeIssuer, issuing, public_jwk, rsa_key
from tests.fakes.served import served


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with issuing() as made:
        yield made


def keys_of(fake: FakeIssuer, clock: Clock | None = None, **settings: Any) -> IssuerKeys:
    oidc = OidcSettings(**{"issuer": fake.url, "audience": ("moat",)} | settings)
    return IssuerKeys(oidc, FetchSettings(), clock or Clock())


def test_keys_are_fetched_once_and_kept(issuer: FakeIssuer) -> None:
    keys = keys_of(issuer)
    assert issuer.fetched == []
    for _ in range(5):
        assert keys.find("one", "RS256") is not None
    assert issuer.fetched == ["/.well-known/openid-configuration", "/keys"]


def test_new_key_of_the_issuer_is_found_and_a_removed_one_goes(issuer: FakeIssuer) -> None:
    clock = Clock()
    keys = keys_of(issuer, clock)
    assert keys.find("one", "RS256") is not None
    issuer.keys = [public_jwk(rsa_key("second"), kid="two")]
    clock.now += 31
    assert keys.find("two", "RS256") is not None
    assert keys.find("one", "RS256") is None


def test_removed_key_goes_by_itself_with_age(issuer: FakeIssuer) -> None:
    clock = Clock()
    keys = keys_of(issuer, clock)
    assert keys.find("one", "RS256") is not None
    issuer.keys = [public_jwk(rsa_key("second"), kid="two")]
    clock.now += 301
    assert keys.find("one", "RS256") is None


def test_flood_of_unknown_keys_is_one_fetch_in_a_while(issuer: FakeIssuer) -> None:
    clock = Clock()
    keys = keys_of(issuer, clock)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: keys.find(f"kid-{n}", "RS256"), range(200)))
    assert set(found) == {None}
    assert issuer.fetched.count("/keys") == 1
    clock.now += 31
    for n in range(200):
        assert keys.find(f"kid-{n}", "RS256") is None
    assert issuer.fetched.count("/keys") == 2


def test_issuer_that_is_away_is_outlived_for_a_while_and_not_asked_all_the_time(issuer: FakeIssuer) -> None:
    clock = Clock()
    keys = keys_of(issuer, clock)
    assert keys.find("one", "RS256") is not None
    issuer.down = True
    clock.now += 3_599
    for _ in range(10):
        assert keys.find("one", "RS256") is not None
    assert len(issuer.fetched) == 3
    clock.now += 2
    with pytest.raises(Unavailable, match="503"):
        keys.find("one", "RS256")
    issuer.down = False
    clock.now += 6
    assert keys.find("one", "RS256") is not None


def test_issuer_that_never_answered_is_not_asked_by_each_call(issuer: FakeIssuer) -> None:
    issuer.down = True
    clock = Clock()
    keys = keys_of(issuer, clock)
    for _ in range(10):
        with pytest.raises(Unavailable):
            keys.find("one", "RS256")
    assert len(issuer.fetched) == 1
    issuer.down = False
    clock.now += 6
    assert keys.find("one", "RS256") is not None


def test_token_without_a_kid_is_checked_where_there_is_one_key_alone(issuer: FakeIssuer) -> None:
    assert keys_of(issuer).find(None, "RS256") is not None
    issuer.keys.append(public_jwk(rsa_key("second"), kid="two"))
    assert keys_of(issuer).find(None, "RS256") is None


def test_key_serves_its_own_algorithm_and_only_to_sign(issuer: FakeIssuer) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    key = public_jwk(rsa_key("second"))
    issuer.keys = [
        public_jwk(curve, kid="curve"),
        key | {"kid": "any"},
        key | {"kid": "pss", "alg": "PS256"},
        key | {"kid": "encrypts", "use": "enc"},
        key | {"kid": "wraps", "key_ops": ["wrapKey"]},
        key | {"kid": 7},
        {"kid": "secret", "kty": "oct", "k": "c2VjcmV0"},
        {"kid": "broken", "kty": "RSA", "n": "!", "e": None},
        {"kid": "empty"},
        "no key",
    ]
    keys = keys_of(issuer, algorithms=("RS256", "PS256", "ES256"))
    found = {
        (kid, algorithm)
        for kid in ("curve", "any", "pss", "encrypts", "wraps", "secret", "broken", "empty", "7")
        for algorithm in ("RS256", "PS256", "ES256", "HS256")
        if keys.find(kid, algorithm) is not None
    }
    assert found == {("curve", "ES256"), ("any", "RS256"), ("any", "PS256"), ("pss", "PS256")}


def test_keys_can_be_named_without_discovery(issuer: FakeIssuer) -> None:
    keys = keys_of(issuer, issuer="https://id.example/", jwks_url=f"{issuer.url}/keys")
    assert keys.find("one", "RS256") is not None
    assert issuer.fetched == ["/keys"]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"issuer": "https://thief.example"}, "speaks for 'https://thief.example'"),
        ({"issuer": None}, "speaks for 'None'"),
        ({"jwks_uri": "http://id.example/keys"}, "no safe jwks_uri"),
        ({"jwks_uri": "file:///etc/passwd"}, "no safe jwks_uri"),
        ({"jwks_uri": 7}, "no safe jwks_uri"),
        # The operator named the issuer's address, not these: an issuer cannot send Moat into the intranet.
        ({"jwks_uri": "https://169.254.169.254/keys"}, "not on the open internet"),
        ({"jwks_uri": "https://10.0.0.1/keys"}, "not on the open internet"),
        ({"jwks_uri": "http://localhost:1/keys"}, "not one of the web's"),
    ],
)
def test_discovery_that_leads_astray_is_not_followed(issuer: FakeIssuer, told: dict[str, Any], said: str) -> None:
    issuer.discovery = told
    with pytest.raises(FetchRefused, match=said):
        keys_of(issuer).fetch()
    assert "/keys" not in issuer.fetched


def test_answers_that_are_no_keys_are_told(issuer: FakeIssuer) -> None:
    issuer.keys = [public_jwk(rsa_key("weak", 1024), kid="weak")]
    with pytest.raises(FetchFailed, match="no key for RS256, ES256"):
        keys_of(issuer).fetch()
    with pytest.raises(FetchFailed, match="no set of keys"):
        keys_of(issuer, jwks_url=f"{issuer.url}/.well-known/openid-configuration").fetch()
    with pytest.raises(FetchFailed, match="404"):
        keys_of(issuer, jwks_url=f"{issuer.url}/nowhere").fetch()


def test_redirect_is_not_followed(issuer: FakeIssuer) -> None:
    async def elsewhere(scope: Any, receive: Any, send: Any) -> None:
        location = (b"location", f"{issuer.url}/keys".encode())
        await send({"type": "http.response.start", "status": 302, "headers": [location]})
        await send({"type": "http.response.body"})

    with served(elsewhere) as url, pytest.raises(FetchRefused):
        keys_of(issuer, jwks_url=f"{url}/keys").fetch()
    assert issuer.fetched == []


def test_certificate_of_the_issuer_is_checked_against_the_operator_s_own(tmp_path: Path, issuer: FakeIssuer) -> None:
    certificate, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    _write_certificate(certificate, key)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await issuer.answer(scope, receive, send)

    with served(app, ssl_certfile=certificate, ssl_keyfile=key) as url:
        url = url.replace("http:", "https:")
        issuer.url = url
        assert keys_of(issuer, ca_file=certificate).find("one", "RS256") is not None
        with pytest.raises(FetchFailed, match=r"(?i)certificate"):
            keys_of(issuer).fetch()
        with pytest.raises(FetchFailed, match=r"none\.pem"):
            keys_of(issuer, ca_file=tmp_path / "none.pem").fetch()


def _write_certificate(certificate: Path, key_file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
