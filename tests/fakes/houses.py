"""Eight callers, and of each kind of thing one that is theirs, one of others, one that is missing and one deleted."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi.testclient import TestClient
from sqlalchemy import delete, select, update

from moat.access import SCOPES
from moat.records import DocumentState
from moat.settings import SourceSettings
from moat.tables import AnswerRow, ApiKey, Document, Indexing, Job, SourceRow
from tests.fakes.api import Api

PAGE = "https://intranet.example"
QUESTION = "When is the salary paid, and the bonus?"
OWN, OTHERS, MISSING, DELETED = "own", "others", "missing", "deleted"
IDS = (OWN, OTHERS, MISSING, DELETED)
# What nobody may learn who may not read the document that says it.
OWN_SECRET, OTHERS_SECRET, DELETED_SECRET = "amberfinch", "cobaltheron", "umbrawren"

# The callers, and the scopes that each has; None: no valid key at all.
CALLERS: dict[str, tuple[str, ...] | None] = {
    "no key": None,
    "bad key": None,
    "reader of another corpus": ("read", "ask"),
    "reader without the group": ("read", "ask"),
    "right reader": ("read", "ask"),
    "uploader": ("read", "ask", "upload"),
    "admin": SCOPES,
    "widget session": ("ask",),
}
GROUPS = {
    "reader of another corpus": ("abroad",),
    "reader without the group": ("staff",),
    "right reader": ("staff", "hr"),
    "uploader": ("staff", "hr"),
    "admin": (),
}
IN_HOUSE = {"reader without the group", "right reader", "uploader", "admin", "widget session"}
IN_HR = {"right reader", "uploader", "admin"}


class Houses:
    """The real API with all of them; `restore` makes the catalog what it was."""

    def __init__(self, folder: Path) -> None:
        (folder / "source").mkdir()
        source = SourceSettings(folder=folder / "source", access=("hr",))
        self.api = Api(folder, sources={"handbook": source, "wiki": source})
        self.clients: dict[str, TestClient] = {}
        self._ids: dict[str, dict[str, str]] = {}
        self._answers: dict[str, str] = {}
        self._fill()
        self._snapshot = folder / "snapshot.db"
        self.api.database.close()
        shutil.copy(folder / "catalog.db", self._snapshot)

    def client(self, caller: str) -> TestClient:
        return self.clients[caller]

    def id(self, kind: str, which: str, caller: str) -> str:
        """Name a thing of this kind; of answers, each caller has an own one."""
        if kind == "user":
            return caller if which == OWN else {OTHERS: "stranger", DELETED: "former"}.get(which, "nobody")
        if kind == "answer" and which == OWN:
            return self._answers.get(caller, self._answers["right reader"])
        return self._ids[kind][which]

    def sees(self, kind: str, which: str, caller: str) -> bool:
        """Tell by plain sets whether a caller may know of a thing."""
        if kind == "user":  # a name is nobody's secret: only one's own may be asked about, whoever else there is
            return which == OWN or caller == "admin"
        if which in (MISSING, DELETED):
            return False
        if kind == "answer":
            return which == OWN
        if caller == "admin" or kind == "page":
            return kind != "page" or which == OWN
        if which == OTHERS:
            return False
        return caller in {"corpus": IN_HOUSE, "document": IN_HR, "erasure": {"uploader"}}.get(kind, set())

    def secrets_kept_from(self, caller: str) -> list[str]:
        """List the words that no answer to this caller may hold."""
        if caller == "admin":
            return [DELETED_SECRET]
        return [OTHERS_SECRET, DELETED_SECRET, "vault"] + ([] if caller in IN_HR else [OWN_SECRET])

    def restore(self) -> None:
        """Undo whatever a call has changed."""
        home = self.api.settings.home_folder
        self.api.database.close()
        for name in ("catalog.db-wal", "catalog.db-shm"):
            (home / name).unlink(missing_ok=True)
        shutil.copy(self._snapshot, home / "catalog.db")

    def close(self) -> None:
        self.api.close()

    def _fill(self) -> None:
        api = self.api
        corpora = {OWN: ["staff"], OTHERS: ["board"], DELETED: ["staff", "hr"]}
        names = {OWN: "house", OTHERS: "vault", DELETED: "umbrawren"}
        made = {which: api.corpus(names[which], access) for which, access in corpora.items()}
        api.corpus("abroad", ["abroad"])
        self._ids["corpus"] = self._with_missing({which: str(id_) for which, id_ in made.items()})
        documents = {
            OWN: api.add(f"{OWN_SECRET}.txt", _says(OWN_SECRET), corpus="house", access="hr"),
            OTHERS: api.add(f"{OTHERS_SECRET}.txt", _says(OTHERS_SECRET), corpus="house", access="board"),
            DELETED: api.add(f"{DELETED_SECRET}.txt", _says(DELETED_SECRET), corpus="house", access="hr"),
        }
        api.add("abroad.txt", "The salary abroad is paid in May.\n", corpus="abroad", access="abroad")
        self._ids["document"] = self._with_missing(documents)
        self._make_callers()
        self._make_answers()
        self._make_jobs(made)
        self._make_budgets()
        self._ids["source"] = {OWN: "handbook", OTHERS: "wiki", MISSING: "nowhere", DELETED: "gone"}
        with api.database.transaction() as session:
            session.add(SourceRow(name="gone"))
            waiting = {"held": [str(uuid4())], "state": "held"}  # a deletion that an admin has to agree to
            session.add_all(SourceRow(name=name, **waiting) for name in ("handbook", "wiki"))
        by_admin = api.admin.delete(f"/v1/documents/{documents[DELETED]}")
        assert by_admin.status_code == 202
        self._make_erasures(by_admin.json()["erasure_id"])
        assert api.admin.delete(f"/v1/corpora/{made[DELETED]}").status_code == 202

    def _make_callers(self) -> None:
        api = self.api
        self.clients["no key"], self.clients["bad key"] = api.client(), api.client("moat_wrong")
        for caller, groups in GROUPS.items():
            self.clients[caller] = api.person(caller, *groups, scopes=CALLERS[caller] or ())
        keys = {OWN: "admin", OTHERS: "right reader", DELETED: "former"}
        api.key("former")
        with api.database.transaction() as session:
            session.execute(delete(ApiKey).where(ApiKey.user == "admin", ApiKey.name != "admin"))
            rows = {row.user: str(row.id) for row in session.scalars(select(ApiKey).order_by(ApiKey.created_at))}
        self._ids["key"] = self._with_missing({which: rows[user] for which, user in keys.items()})
        assert api.admin.delete(f"/v1/keys/{rows['former']}").status_code == 200
        origins = {OWN: PAGE, OTHERS: "https://elsewhere.example", DELETED: PAGE}
        widgets = {which: self._widget(which, origin) for which, origin in origins.items()}
        assert api.admin.delete(f"/v1/widgets/{widgets[DELETED]}").status_code == 204
        self._ids["widget"] = self._ids["page"] = {**widgets, MISSING: f"wid_{uuid4().hex[:22]}"}
        begun = api.client(Origin=PAGE).post("/v1/widget-sessions", json={"widget_id": widgets[OWN]})
        self.clients["widget session"] = api.client(begun.json()["token"], Origin=PAGE)

    def _widget(self, name: str, origin: str) -> str:
        body = {"name": name, "origins": [origin], "groups": ["staff"]}
        return str(self.api.admin.post("/v1/widgets", json=body).json()["id"])

    def _make_erasures(self, by_admin: str) -> None:
        uploader = self.client("uploader")
        sent = {"files": [("files", ("draft.txt", b"A salary that was never paid.\n"))], "data": {"access": "hr"}}
        draft = uploader.post("/v1/corpora/house/documents", **sent).json()["items"][0]["id"]
        own = uploader.delete(f"/v1/documents/{draft}").json()["erasure_id"]
        self._ids["erasure"] = self._with_missing({OWN: own, OTHERS: by_admin, DELETED: str(uuid4())})

    def _make_answers(self) -> None:
        for caller, scopes in CALLERS.items():
            if scopes is not None:
                asked = self.client(caller).post("/v1/answers", json={"question": QUESTION})
                assert asked.status_code == 200, asked.text
                self._answers[caller] = str(asked.json()["id"])
        stranger = self.api.person("stranger", "board", "staff")
        of_others = [stranger.post("/v1/answers", json={"question": QUESTION}).json() for _ in range(2)]
        assert all(OTHERS_SECRET in answer["answer"] for answer in of_others), "else there is nothing to keep"
        kept, gone = (str(answer["id"]) for answer in of_others)
        with self.api.database.transaction() as session:
            session.execute(delete(AnswerRow).where(AnswerRow.id == UUID(gone)))
        self._ids["answer"] = self._with_missing({OTHERS: kept, DELETED: gone})

    def _make_jobs(self, corpora: dict[str, UUID]) -> None:
        jobs = {which: uuid4() for which in corpora}
        with self.api.database.transaction() as session:
            session.add_all(
                Job(id=jobs[which], kind="reindex", corpus_id=corpus, state="done", requested_by="admin")
                for which, corpus in corpora.items()
            )
        self._ids["job"] = self._with_missing({which: str(id_) for which, id_ in jobs.items()})

    def _make_budgets(self) -> None:
        limits = {OWN: "right reader", OTHERS: "stranger", DELETED: "former"}
        body = {"scope": "user", "period": "day", "limit_usd": "5"}
        made = {which: self.api.admin.put("/v1/budgets", json=body | {"subject": u}) for which, u in limits.items()}
        ids = {which: response.json()["id"] for which, response in made.items()}
        assert self.api.admin.delete(f"/v1/budgets/{ids[DELETED]}").status_code == 204
        self._ids["budget"] = self._with_missing(ids)

    def _with_missing(self, ids: dict[str, str]) -> dict[str, str]:
        return {MISSING: str(uuid4()), **ids}


def _says(secret: str) -> str:
    return f"The salary of {secret} is paid in June, and the bonus of {secret} in July.\n"


def failed(houses: Houses) -> None:
    """Let every indexing have failed, so that it can be tried again."""
    _indexings_are(houses, DocumentState.FAILED)


def queued(houses: Houses) -> None:
    """Let every indexing wait, so that it can be cancelled."""
    _indexings_are(houses, DocumentState.QUEUED)


def running(houses: Houses) -> None:
    """Let every job run, so that it can be cancelled."""
    with houses.api.database.transaction() as session:
        session.execute(update(Job).values(state="running"))


def _indexings_are(houses: Houses, state: DocumentState) -> None:
    with houses.api.database.transaction() as session:
        session.execute(update(Indexing).values(state=state))
        session.execute(update(Document).where(Document.state != DocumentState.DELETING).values(state=state))


Preparation = Callable[[Houses], None]


def without_id(response: httpx.Response, id_: str) -> tuple[int, set[str], Any]:
    """Give all of a refusal that could tell two of them apart, but the id."""
    return response.status_code, set(response.headers), response.text.replace(id_, "ID")
