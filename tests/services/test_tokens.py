"""Who may not come in: hostile tokens, signatures and keys, each refused by the whole API; and who may."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import time
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi.testclient import TestClient

from moat.access import create_key
from moat.tables import utc_now
from tests.fakes.api import Api, problem
from tests.fakes.issuer import AUDIENCE, FakeIssuer, issuing, public_jwk, rsa_key

PAGE, OTHER_PAGE = "https://intranet.example", "https://docs.example"
QUESTION = {"question": "When is lunch served?"}


@dataclass(frozen=True)
class World:
    """One installation with an issuer, two widgets whose pages sign, and what a thief might hold."""

    api: Api
    issuer: FakeIssuer
    widget: dict[str, Any]
    secret: str
    other_widget: dict[str, Any]
    other_secret: str
    silent_widget: dict[str, Any]

    def bearer(self, token: str, **headers: str) -> httpx.Response:
        return self.api.client(token, **headers).post("/v1/search", json=QUESTION)

    def signature(self, secret: str | None = None, *, algorithm: str = "HS256", **changed: Any) -> str:
        now = int(time())
        claims = {"sub": "ann", "aud": self.widget["id"], "exp": now + 60, "jti": uuid4().hex} | changed
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, secret if secret is not None else self.secret, algorithm)

    def begin(self, signature: str | None = None, origin: str | None = PAGE, **body: Any) -> httpx.Response:
        headers = {} if origin is None else {"Origin": origin}
        wanted = {"widget_id": self.widget["id"]} | body
        if signature is not None:
            wanted["signature"] = signature
        return self.api.client(**headers).post("/v1/widget-sessions", json=wanted)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with issuing() as issuer:
        oidc = {
            "issuer": issuer.url,
            "audience": [AUDIENCE],
            "admin_groups": ["moat-admins"],
            "upload_groups": ["writers"],
        }
        api = Api(tmp_path_factory.mktemp("tokens"), oidc=oidc)
        api.add("open.txt", "Lunch is served at noon.\n")
        api.add("hr.txt", "Lunch for applicants is served at one.\n", access="hr")
        api.add("ann.txt", "Lunch is served to Ann at two.\n", access="user:ann")
        made = [widget(api, signed_groups=["hr"], limit_usd="0.50"), widget(api), widget(api)]
        secrets = [api.admin.post(f"/v1/widgets/{w['id']}/secret").json()["secret"] for w in made[:2]]
        yield World(api, issuer, made[0], secrets[0], made[1], secrets[1], made[2])
        api.close()


def widget(api: Api, **body: Any) -> dict[str, Any]:
    made = api.admin.post("/v1/widgets", json={"name": "w", "origins": [PAGE, OTHER_PAGE]} | body)
    assert made.status_code == 201, made.text
    return dict(made.json())


def forged(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """Write a token by hand, as libraries refuse to."""
    return ".".join(_encoded(part) for part in (_json(header), _json(claims), signature))


def signed_with_public_key(issuer: FakeIssuer) -> str:
    head = ".".join(_encoded(_json(part)) for part in ({"alg": "HS256", "kid": "one"}, issuer.claims()))
    mac = hmac.digest(issuer.public_pem.encode(), head.encode(), hashlib.sha256)
    return f"{head}.{_encoded(mac)}"


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def cut(token: str) -> str:
    return token.rpartition(".")[0] + "."


def changed_claims(issuer: FakeIssuer) -> str:
    """A good token of Ann's with Bob's claims under her signature."""
    head, _, signature = issuer.token().split(".")
    return f"{head}.{_encoded(_json(issuer.claims(sub='bob', groups=['moat-admins'])))}.{signature}"


THIEF = rsa_key("thief")
WEAK = rsa_key("weak", 1024)
CURVE = ec.generate_private_key(ec.SECP256R1())

# Each makes a token of the issuer's kind that nobody may come in with.
TOKENS: dict[str, Callable[[FakeIssuer], str]] = {
    "alg none": lambda i: forged({"alg": "none", "typ": "JWT"}, i.claims()),
    "alg None with capitals": lambda i: forged({"alg": "nOnE", "kid": "one"}, i.claims()),
    "alg none under a good signature": lambda i: forged({"alg": "none", "kid": "one"}, i.claims(), b"x" * 256),
    "no alg": lambda i: forged({"kid": "one"}, i.claims(), b"x" * 256),
    "alg as a list": lambda i: forged({"alg": ["RS256"], "kid": "one"}, i.claims(), b"x" * 256),
    "HS256 with the public key": signed_with_public_key,
    "HS256 with an empty key": lambda i: forged(
        {"alg": "HS256", "kid": "one"}, i.claims(), hmac.digest(b"", b"", "sha256")
    ),
    "an algorithm that is not allowed": lambda i: i.token(algorithm="RS512"),
    "an algorithm the key is not for": lambda i: i.token(CURVE, "ES256"),
    "no signature": lambda i: cut(i.token()),
    "changed claims": changed_claims,
    "another's key": lambda i: i.token(THIEF),
    "another's key in the header": lambda i: i.token(THIEF, headers={"jwk": public_jwk(THIEF)}),
    "another's key at jku": lambda i: i.token(THIEF, headers={"jku": f"{i.url}/thief/keys"}),
    "another's key at x5u": lambda i: i.token(THIEF, headers={"x5u": "https://thief.example/chain.pem"}),
    "an unknown kid": lambda i: i.token(THIEF, headers={"kid": "two"}),
    "a kid that is a path": lambda i: i.token(THIEF, headers={"kid": "../../../../dev/null"}),
    "a kid that is SQL": lambda i: i.token(THIEF, headers={"kid": "' UNION SELECT 'key' --"}),
    "a kid that is an address": lambda i: i.token(THIEF, headers={"kid": "http://169.254.169.254/"}),
    "a kid that is a number": lambda i: forged({"alg": "RS256", "kid": 1}, i.claims(), b"x" * 256),
    "an extension that must be understood": lambda i: i.token(headers={"crit": ["exp2"], "exp2": 1}),
    "the token of a logout": lambda i: i.token(headers={"typ": "logout+jwt"}),
    "another audience": lambda i: i.token(aud="payroll"),
    "an audience that begins alike": lambda i: i.token(aud=f"{AUDIENCE}-test"),
    "no audience": lambda i: i.token(aud=None),
    "an audience of a wrong type": lambda i: i.token(aud={AUDIENCE: True}),
    "another issuer": lambda i: i.token(iss="https://thief.example"),
    "an issuer with a suffix": lambda i: i.token(iss=f"{i.url}.thief.example"),
    "an issuer with a slash more": lambda i: i.token(iss=f"{i.url}/"),
    "an issuer that is only the beginning": lambda i: i.token(iss=i.url[:-1]),
    "an issuer in a list": lambda i: forged_well(i, iss=[i.url]),
    "no issuer": lambda i: i.token(iss=None),
    "expired": lambda i: i.token(exp=int(time()) - 60),
    "not valid yet": lambda i: i.token(nbf=int(time()) + 120),
    "made in the future": lambda i: i.token(iat=int(time()) + 120),
    "no end": lambda i: i.token(exp=None),
    "an end after all ends": lambda i: i.token(exp=10**15),
    "an end without end": lambda i: i.token(exp=float("inf")),
    "an end that is true": lambda i: i.token(exp=True),
    "an end in words": lambda i: i.token(exp="9999999999"),
    "groups in one string": lambda i: i.token(groups="hr"),
    "groups in an object": lambda i: i.token(groups={"hr": True}),
    "a group that is a number": lambda i: i.token(groups=["hr", 7]),
    "no user": lambda i: i.token(sub=None),
    "an empty user": lambda i: i.token(sub=""),
    "a user of a wrong type": lambda i: forged_well(i, sub=["ann"]),
    "the name of a widget's visitor": lambda i: i.token(sub="widget:wid_x:0123"),
    "a name with a line's end": lambda i: i.token(sub="ann\nadmin"),
    "a huge token": lambda i: i.token(padding="x" * 20_000),
    "claims that are a list": lambda i: jwt.api_jws.encode(b"[]", i.key, "RS256", {"kid": "one"}),
    "claims nested without end": lambda i: jwt.api_jws.encode(b'{"a":' + b"[" * 11_000, i.key, "RS256", {"kid": "one"}),
    "a header that is no JSON": lambda i: "!!!.e30.e30",
    "only dots": lambda i: "....",
}


def forged_well(issuer: FakeIssuer, **claims: Any) -> str:
    """Sign what the library would not encode."""
    return jwt.api_jws.encode(_json(issuer.claims(**claims)), issuer.key, "RS256", {"kid": "one"})


@pytest.mark.parametrize("case", TOKENS)
def test_hostile_token_is_refused(world: World, case: str) -> None:
    refused = world.bearer(TOKENS[case](world.issuer))
    problem(refused, 401)
    assert refused.headers["www-authenticate"] == "Bearer"
    assert not any("thief" in path for path in world.issuer.fetched)


# Each tries to begin a widget's session, or to use one, as nobody may.
SESSIONS: dict[str, tuple[int, Callable[[World], httpx.Response]]] = {
    "an origin with a suffix": (403, lambda w: w.begin(origin=f"{PAGE}.thief.example")),
    "an origin with a prefix": (403, lambda w: w.begin(origin="https://thief-intranet.example")),
    "an origin below": (403, lambda w: w.begin(origin="https://thief.intranet.example")),
    "an origin with a user": (403, lambda w: w.begin(origin="https://intranet.example@thief.example")),
    "an origin with a port": (403, lambda w: w.begin(origin=f"{PAGE}:8443")),
    "an origin with its own port": (403, lambda w: w.begin(origin=f"{PAGE}:443")),
    "an origin with a slash": (403, lambda w: w.begin(origin=f"{PAGE}/")),
    "an origin in capitals": (403, lambda w: w.begin(origin=PAGE.upper())),
    "an origin without TLS": (403, lambda w: w.begin(origin="http://intranet.example")),
    "two origins in one": (403, lambda w: w.begin(origin=f"{PAGE} {OTHER_PAGE}")),
    "the null origin": (403, lambda w: w.begin(origin="null")),
    "no origin": (403, lambda w: w.begin(origin=None)),
    "an unknown widget": (403, lambda w: w.begin(widget_id="wid_none")),
    "another widget's secret": (401, lambda w: w.begin(w.signature(w.other_secret))),
    "a signature for another widget": (401, lambda w: w.begin(w.signature(aud=w.other_widget["id"]))),
    "a signature for several widgets": (401, lambda w: w.begin(w.signature(aud=[w.widget["id"], "wid_x"]))),
    "a signature for a widget without a secret": (
        401, lambda w: w.begin(w.signature(aud=w.silent_widget["id"]), widget_id=w.silent_widget["id"])
    ),
    "a signature with an empty secret": (401, lambda w: w.begin(forged({"alg": "HS256"}, {}, b""))),
    "a signature with alg none": (
        401, lambda w: w.begin(forged({"alg": "none"}, jwt.decode(w.signature(), options={"verify_signature": False})))
    ),
    "a signature with another algorithm": (401, lambda w: w.begin(w.signature(algorithm="HS512"))),
    "the issuer's token as a signature": (401, lambda w: w.begin(w.issuer.token(aud=w.widget["id"], jti="1"))),
    "an expired signature": (401, lambda w: w.begin(w.signature(exp=int(time()) - 60))),
    "a signature that lives too long": (401, lambda w: w.begin(w.signature(exp=int(time()) + 3600))),
    "a signature without an end": (401, lambda w: w.begin(w.signature(exp=None))),
    "a signature without an id": (401, lambda w: w.begin(w.signature(jti=None))),
    "a signature without a user": (401, lambda w: w.begin(w.signature(sub=None))),
    "a signature for another's visitor": (401, lambda w: w.begin(w.signature(sub=f"widget:{w.other_widget['id']}:0"))),
    "a used signature": (401, lambda w: twice(w, PAGE)),
    "a used signature on another page": (401, lambda w: twice(w, OTHER_PAGE)),
    "a group beyond the widget's": (403, lambda w: w.begin(w.signature(groups=["hr", "board"]))),
    "a person stated as a group": (403, lambda w: w.begin(w.signature(groups=["user:ann"]))),
    "signed groups of a wrong type": (401, lambda w: w.begin(w.signature(groups="hr"))),
    "a session on the widget's other page": (401, lambda w: w.bearer(session(w), Origin=OTHER_PAGE)),
    "a session on the null origin": (401, lambda w: w.bearer(session(w), Origin="null")),
    "a session without an origin": (401, lambda w: w.bearer(session(w))),
    "a session in another's name": (403, lambda w: w.bearer(session(w), Origin=PAGE, **{"Moat-User": "bob"})),
    "a session that lists keys": (403, lambda w: w.api.client(session(w), Origin=PAGE).get("/v1/keys")),
    "a session's token one letter off": (401, lambda w: w.bearer(session(w) + "x", Origin=PAGE)),
}  # fmt: skip


def session(world: World) -> str:
    return str(world.begin().json()["token"])


def twice(world: World, origin: str) -> httpx.Response:
    signature = world.signature()
    assert world.begin(signature).status_code == 201
    return world.begin(signature, origin)


@pytest.mark.parametrize("case", SESSIONS)
def test_hostile_session_is_refused(world: World, case: str) -> None:
    status, attempt = SESSIONS[case]
    problem(attempt(world), status)


def make_key(world: World, user: str = "service", **body: Any) -> dict[str, Any]:
    made = world.api.admin.post("/v1/keys", json={"name": "k", "user": user} | body)
    assert made.status_code == 201, made.text
    return dict(made.json())


def trusted(world: World, *groups: str, **body: Any) -> str:
    return str(make_key(world, scopes=["ask", "act_for"], act_for_groups=list(groups), **body)["key"])


def revoked(world: World) -> str:
    made = make_key(world)
    assert world.api.admin.delete(f"/v1/keys/{made['id']}").status_code == 200
    return str(made["key"])


def rotated(world: World, *overlaps: int) -> str:
    made = make_key(world)
    for overlap in overlaps:
        answer = world.api.admin.post(f"/v1/keys/{made['id']}/rotate", json={"overlap_s": overlap})
        assert answer.status_code == 200, answer.text
    return str(made["key"])


def rotated_and_revoked(world: World) -> str:
    made = make_key(world)
    world.api.admin.post(f"/v1/keys/{made['id']}/rotate", json={})
    world.api.admin.delete(f"/v1/keys/{made['id']}")
    return str(made["key"])


def expired(world: World) -> str:
    with world.api.database.transaction() as session:
        _, key = create_key(session, name="k", user="ann", expires_at=utc_now() - timedelta(seconds=1))
    return key


def scoped(world: World, *scopes: str) -> TestClient:
    return world.api.client(make_key(world, scopes=list(scopes))["key"])


ANN = {"Moat-User": "ann"}
KEYS: dict[str, tuple[int, Callable[[World], httpx.Response]]] = {
    "no key": (401, lambda w: w.api.client().post("/v1/search", json=QUESTION)),
    "another scheme": (401, lambda w: w.api.client(Authorization="Basic YTpi").post("/v1/search", json=QUESTION)),
    "an empty key": (401, lambda w: w.bearer(" ")),
    "a key's prefix": (401, lambda w: w.bearer(make_key(w)["prefix"])),
    "a key's id": (401, lambda w: w.bearer(make_key(w)["id"])),
    "a key one letter off": (401, lambda w: w.bearer(make_key(w)["key"] + "x")),
    "a revoked key": (401, lambda w: w.bearer(revoked(w))),
    "an expired key": (401, lambda w: w.bearer(expired(w))),
    "a rotated key after its overlap": (401, lambda w: w.bearer(rotated(w, 0))),
    "a key rotated twice": (401, lambda w: w.bearer(rotated(w, 3600, 3600))),
    "a rotated key that was revoked": (401, lambda w: w.bearer(rotated_and_revoked(w))),
    "a key without the scope to ask": (403, lambda w: scoped(w, "read").post("/v1/search", json=QUESTION)),
    "a key without the scope to read": (403, lambda w: scoped(w, "ask").get("/v1/corpora")),
    "a key without the scope to upload": (403, lambda w: w.api.upload("a.txt", "A.", client=scoped(w, "read", "ask"))),
    "a key that makes an admin's": (
        403, lambda w: scoped(w, "read", "ask", "upload").post("/v1/keys", json={"name": "n", "user": "n"})
    ),
    "a key that rotates the admin's": (
        403, lambda w: scoped(w, "read").post(f"/v1/keys/{make_key(w)['id']}/rotate", json={})
    ),
    "on behalf of others without the right": (403, lambda w: w.bearer(make_key(w)["key"], **ANN)),
    "an admin on behalf of others without the right": (403, lambda w: w.bearer(w.api.admin_key, **ANN)),
    "on behalf of others with a token": (403, lambda w: w.bearer(w.issuer.token(), **ANN)),
    "on behalf of a group that may not be stated": (
        403, lambda w: w.bearer(trusted(w), **ANN, **{"Moat-Groups": "hr"})
    ),
    "on behalf of a group beyond those it may state": (
        403, lambda w: w.bearer(trusted(w, "hr"), **ANN, **{"Moat-Groups": "hr,board"})
    ),
    "on behalf of a person stated as a group": (
        403, lambda w: w.bearer(trusted(w, "*"), **ANN, **{"Moat-Groups": "user:bob"})
    ),
    "on behalf of a widget's visitor": (403, lambda w: w.bearer(trusted(w, "*"), **{"Moat-User": "widget:wid_x:0"})),
    "on behalf of an admin who makes keys": (
        403, lambda w: w.api.client(trusted(w, "*"), **{"Moat-User": "admin"}).get("/v1/keys")
    ),
    "on behalf of one who speaks for others": (
        403, lambda w: w.api.client(trusted(w, "*"), **ANN).post("/v1/keys", json={"name": "n", "user": "n"})
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", KEYS)
def test_hostile_key_is_refused(world: World, case: str) -> None:
    status, attempt = KEYS[case]
    problem(attempt(world), status)


def seen(response: httpx.Response) -> set[str]:
    assert response.status_code == 200, response.text
    return {passage["title"] for passage in response.json()["passages"]}


def test_token_reads_as_its_user_and_groups(world: World) -> None:
    assert seen(world.bearer(world.issuer.token())) == {"open", "hr", "ann"}
    assert seen(world.bearer(world.issuer.token(groups=["sales"]))) == {"open", "ann"}
    assert seen(world.bearer(world.issuer.token(sub="bob", groups=None))) == {"open"}
    assert seen(world.bearer(world.issuer.token(aud=["other", AUDIENCE], sub="bob", groups=[]))) == {"open"}


def test_groups_with_names_of_moat_s_own_give_nothing(world: World) -> None:
    hostile = world.issuer.token(sub="bob", groups=["user:ann", "*", "everyone", "x" * 300, "hr\n", ""])
    assert seen(world.bearer(hostile)) == {"open"}


def test_token_may_do_what_its_groups_may(world: World) -> None:
    reader, writer, admin = (
        world.api.client(world.issuer.token(sub="eve", groups=groups)) for groups in ([], ["writers"], ["moat-admins"])
    )
    problem(world.api.upload("a.txt", "A.", client=reader), 403)
    assert world.api.upload("a.txt", "A.", client=writer, access="writers").status_code == 202
    problem(writer.get("/v1/keys"), 403)
    assert admin.get("/v1/keys").status_code == 200


def test_answers_of_a_token_are_its_user_s_and_are_costed_to_it(world: World) -> None:
    ann, bob = (world.api.client(world.issuer.token(sub=name)) for name in ("ann", "bob"))
    id_ = ann.post("/v1/answers", json=QUESTION).json()["id"]
    assert ann.get(f"/v1/answers/{id_}").status_code == 200
    problem(bob.get(f"/v1/answers/{id_}"), 404)


def test_trusted_key_asks_as_the_person_it_states(world: World) -> None:
    key = trusted(world, "hr", user="frontend")
    assert seen(world.bearer(key)) == {"open"}
    assert seen(world.bearer(key, **ANN)) == {"open", "ann"}
    assert seen(world.bearer(key, **ANN, **{"Moat-Groups": "hr"})) == {"open", "ann", "hr"}
    assert seen(world.bearer(key, **{"Moat-User": "Zo%C3%AB", "Moat-Groups": ""})) == {"open"}
    ann, bob = (world.api.client(key, **{"Moat-User": name}) for name in ("ann", "bob"))
    id_ = ann.post("/v1/answers", json=QUESTION).json()["id"]
    assert ann.get(f"/v1/answers/{id_}").status_code == 200
    problem(bob.get(f"/v1/answers/{id_}"), 404)


def test_groups_with_commas_and_letters_of_any_script_can_be_stated(world: World) -> None:
    world.api.add("cn.txt", "Lunch is served in Köln at three.\n", access="CN=Küche,OU=Köln")
    headers = {"Moat-User": "bob", "Moat-Groups": "sales, CN=K%C3%BCche%2COU=K%C3%B6ln"}
    assert seen(world.bearer(trusted(world, "*"), **headers)) == {"open", "cn"}


@pytest.mark.parametrize(
    "headers",
    [
        [("Moat-User", "ann"), ("Moat-User", "bob")],
        [("Moat-Groups", "hr")],
        [("Moat-User", "ann"), ("Moat-Groups", "hr"), ("Moat-Groups", "board")],
        [("Moat-User", "%ff")],
        [("Moat-User", b"Zo\xc3\xab")],
        [("Moat-User", "a" * 20_000)],
    ],
)
def test_a_person_stated_in_two_ways_at_once_is_nobody(world: World, headers: list[Any]) -> None:
    client = world.api.client()
    sent = [("Authorization", f"Bearer {trusted(world, '*')}"), *headers]
    body = problem(client.post("/v1/search", json=QUESTION, headers=sent), 422)
    assert "Moat-User" in body["detail"]


def test_one_trusted_key_does_not_repeat_an_answer_to_another_person(world: World) -> None:
    key = trusted(world, "hr")
    once = {"Idempotency-Key": "same"}
    ann, ann_in_hr, bob = (
        world.api.client(key, **once, **{"Moat-User": name, "Moat-Groups": groups})
        for name, groups in (("ann", ""), ("ann", "hr"), ("bob", ""))
    )
    answers = [who.post("/v1/answers", json=QUESTION).json()["id"] for who in (ann, ann_in_hr, bob, ann)]
    assert len(set(answers)) == 3
    assert answers[0] == answers[3]


def test_signed_visitor_is_the_page_s_own_user_in_its_groups(world: World) -> None:
    began = world.begin(world.signature(groups=["hr"]))
    assert began.status_code == 201, began.text
    assert began.json()["limit_usd"] == "0.5"
    again = world.begin(world.signature(groups=[]))
    first, second = (world.api.client(b.json()["token"], Origin=PAGE) for b in (began, again))
    # The page's Ann is not Moat's, so she does not read what was shared with Moat's.
    assert seen(first.post("/v1/search", json=QUESTION)) == {"open", "hr"}
    assert seen(second.post("/v1/search", json=QUESTION)) == {"open"}
    id_ = first.post("/v1/answers", json=QUESTION).json()["id"]
    assert second.get(f"/v1/answers/{id_}").status_code == 200, "the same visitor in her next session"
    stranger = world.api.client(world.begin(world.signature(sub="bob")).json()["token"], Origin=PAGE)
    problem(stranger.get(f"/v1/answers/{id_}"), 404)


def test_signed_visitor_is_moat_s_user_where_the_widget_says_so(world: World) -> None:
    made = widget(world.api, users="moat", signed_only=True, signed_groups=["*"])
    secret = world.api.admin.post(f"/v1/widgets/{made['id']}/secret").json()["secret"]
    problem(world.begin(widget_id=made["id"]), 403)
    began = world.begin(world.signature(secret, aud=made["id"], groups=["hr"]), widget_id=made["id"])
    client = world.api.client(began.json()["token"], Origin=PAGE)
    assert seen(client.post("/v1/search", json=QUESTION)) == {"open", "hr", "ann"}
    new_secret = world.api.admin.post(f"/v1/widgets/{made['id']}/secret").json()["secret"]
    problem(world.begin(world.signature(secret, aud=made["id"]), widget_id=made["id"]), 401)
    assert world.begin(world.signature(new_secret, aud=made["id"]), widget_id=made["id"]).status_code == 201


def test_rotated_key_works_with_both_secrets_during_the_overlap(world: World) -> None:
    made = make_key(world)
    until = (utc_now() + timedelta(days=30)).isoformat()
    new = world.api.admin.post(f"/v1/keys/{made['id']}/rotate", json={"overlap_s": 600, "expires_at": until}).json()
    assert (new["id"], new["user"], new["scopes"]) == (made["id"], made["user"], made["scopes"])
    assert new["key"].startswith(new["prefix"])
    assert new["key"] != made["key"]
    assert new["expires_at"] is not None
    assert world.bearer(made["key"]).status_code == world.bearer(new["key"]).status_code == 200
    (listed,) = (key for key in world.api.admin.get("/v1/keys").json()["items"] if key["id"] == made["id"])
    assert listed["prefix"] == new["prefix"]
    assert listed["previous_until"] is not None
    assert listed["last_used_at"] is not None
    assert listed["key"] is None
    assert not {"sha256", "previous_sha256", "secret"} & set(listed)


def test_only_a_living_key_is_rotated(world: World) -> None:
    made = make_key(world)
    world.api.admin.delete(f"/v1/keys/{made['id']}")
    problem(world.api.admin.post(f"/v1/keys/{made['id']}/rotate", json={}), 409)
    problem(world.api.admin.post(f"/v1/keys/{uuid4()}/rotate", json={}), 404)


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["admin", "act_for"]},
        {"act_for_groups": ["hr"]},
        {"scopes": ["ask", "act_for"], "act_for_groups": ["everyone"]},
        {"scopes": ["ask", "act_for"], "act_for_groups": ["user:bob"]},
        {"user": "widget:wid_x:0"},
        {"user": "a\nb"},
    ],
)
def test_key_that_would_be_more_than_it_seems_is_not_made(world: World, body: dict[str, Any]) -> None:
    problem(world.api.admin.post("/v1/keys", json={"name": "k", "user": "u"} | body), 422)


@pytest.mark.parametrize(
    "origin", ["https://*.example.com", "https://b\u00fccher.example", "null", "https://a b.example"]
)
def test_widget_is_made_for_origins_that_a_browser_can_have(world: World, origin: str) -> None:
    problem(world.api.admin.post("/v1/widgets", json={"name": "w", "origins": [origin]}), 422)


def test_token_taken_once_is_refused_when_replayed(tmp_path: Path) -> None:
    with issuing() as issuer:
        api = Api(tmp_path, oidc={"issuer": issuer.url, "audience": [AUDIENCE], "single_use": True})
        token = issuer.token(jti="1")
        assert api.client(token).get("/v1/corpora").status_code == 200
        problem(api.client(token).get("/v1/corpora"), 401)
        assert api.client(issuer.token(jti="2")).get("/v1/corpora").status_code == 200
        problem(api.client(issuer.token()).get("/v1/corpora"), 401)
        problem(api.client(issuer.token(jti="")).get("/v1/corpora"), 401)
        api.close()


def test_without_an_issuer_no_token_is_taken(api: Api) -> None:
    token = jwt.encode({"sub": "ann"}, THIEF, "RS256")
    problem(api.client(token).get("/v1/corpora"), 401)


def test_weak_key_of_the_issuer_is_not_used(tmp_path: Path) -> None:
    with issuing() as issuer:
        issuer.keys.append(public_jwk(WEAK, kid="weak"))
        api = Api(tmp_path, oidc={"issuer": issuer.url, "audience": [AUDIENCE]})
        assert api.client(issuer.token()).get("/v1/corpora").status_code == 200
        with pytest.warns(jwt.InsecureKeyLengthWarning):
            weak = issuer.token(WEAK, headers={"kid": "weak"})
        problem(api.client(weak).get("/v1/corpora"), 401)
        api.close()
