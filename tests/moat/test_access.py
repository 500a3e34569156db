"""One rule of who may see what, alike in SQL and for the vectors."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text

from moat.access import (
    authenticate,
    check_principals,
    create_key,
    digest,
    find_corpus,
    find_document,
    note_use,
    readable_corpora,
    require,
    rule,
)
from moat.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from moat.records import DocumentState, Reader
from moat.tables import ApiKey, Corpus, Document, utc_now
from tests.fakes.library import Library


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    made = Library(tmp_path)
    yield made
    made.close()


def reader(
    user: str = "ann", *groups: str, scopes: tuple[str, ...] = ("read",), corpora: set[UUID] | None = None
) -> Reader:
    limited = None if corpora is None else frozenset(corpora)
    return Reader(None, user, frozenset(groups), frozenset(scopes), limited)


ADMIN = reader("root", scopes=("admin",))


def seen(library: Library, who: Reader) -> set[str]:
    with library.database.reading() as session:
        return set(session.scalars(select(Document.name).where(rule(who).documents())))


def test_document_is_seen_by_its_groups_its_users_and_everyone_inside_a_readable_corpus(library: Library) -> None:
    open_, closed = library.corpus("open"), library.corpus("closed", ["board"])
    library.add(open_, "all", "Text.")
    library.add(open_, "hr", "Text.", ["hr"])
    library.add(open_, "ann", "Text.", ["user:ann"])
    library.add(open_, "none", "Text.", [])
    library.add(closed, "closed", "Text.")
    assert seen(library, reader("bob")) == {"all"}
    assert seen(library, reader("bob", "hr")) == {"all", "hr"}
    assert seen(library, reader("ann")) == {"all", "ann"}
    assert seen(library, reader("bob", "board")) == {"all", "closed"}
    assert seen(library, ADMIN) == {"all", "hr", "ann", "none", "closed"}


def test_a_few_documents_are_looked_up_without_going_through_their_corpus(library: Library) -> None:
    few = [uuid4() for _ in range(100)]
    asked = select(Document.id).where(Document.id.in_(few), rule(reader("ann", "hr")).documents())
    with library.database.reading() as session:
        compiled = asked.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        plan = [row[3] for row in session.execute(text(f"EXPLAIN QUERY PLAN {compiled}"))]
    assert "SEARCH documents USING INDEX sqlite_autoindex_documents_1 (id=?)" in plan, plan


def test_vectors_are_asked_with_the_same_principals(library: Library) -> None:
    assert rule(reader("ann", "hr", "board")).principals == ("everyone", "user:ann", "board", "hr")
    assert rule(ADMIN).principals is None


def test_deleting_document_and_deleted_corpus_are_gone_for_all(library: Library) -> None:
    corpus = library.corpus("open")
    id_ = library.add(corpus, "all", "Text.")
    with library.database.transaction() as session:
        session.get_one(Document, id_).state = DocumentState.DELETING
    for who in (reader(), ADMIN):
        assert seen(library, who) == set()
        with library.database.reading() as session, pytest.raises(NotFound):
            find_document(session, who, id_)
    with library.database.transaction() as session:
        session.get_one(Corpus, corpus).deleted_at = utc_now()
    for who in (reader(), ADMIN):
        with library.database.reading() as session, pytest.raises(NotFound):
            find_corpus(session, who, str(corpus))


def test_corpus_is_found_by_name_or_id_and_a_limited_key_finds_no_other(library: Library) -> None:
    one, two = library.corpus("one"), library.corpus("two")
    with library.database.reading() as session:
        assert find_corpus(session, reader(), "one").id == find_corpus(session, reader(), str(one)).id == one
        assert [corpus.name for corpus in readable_corpora(session, reader())] == ["one", "two"]
        limited = reader(corpora={two})
        assert [corpus.name for corpus in readable_corpora(session, limited)] == ["two"]
        for name in ("one", str(one), str(uuid4()), "x' OR '1'='1"):
            with pytest.raises(NotFound):
                find_corpus(session, limited, name)


def test_key_authenticates_until_it_is_revoked_or_expires(library: Library) -> None:
    with library.database.transaction() as session:
        row, secret = create_key(
            session, name="k", user="ann", groups=[" hr ", "hr"], expires_at=utc_now() + timedelta(1)
        )
        with pytest.raises(Unauthenticated):
            authenticate(session, secret + "x")
    assert secret.startswith(row.prefix)
    assert row.sha256 == digest(secret)
    with library.database.reading() as session:
        who = authenticate(session, secret)
        assert (who.user, who.groups, who.scopes) == ("ann", {"hr"}, {"read", "ask"})
    for change in ({"revoked_at": utc_now()}, {"revoked_at": None, "expires_at": utc_now()}):
        with library.database.transaction() as session:
            for name, value in change.items():
                setattr(session.get_one(ApiKey, row.id), name, value)
        with library.database.reading() as session, pytest.raises(Unauthenticated):
            authenticate(session, secret)


def test_use_of_a_key_is_noted_at_most_once_a_minute(library: Library) -> None:
    with library.database.transaction() as session:
        row, _ = create_key(session, name="k", user="ann")

    def used() -> object:
        with library.database.reading() as session:
            return session.get_one(ApiKey, row.id).last_used_at

    note_use(library.database, row.id)
    first = used()
    note_use(library.database, row.id)
    assert used() == first
    with library.database.transaction() as session:
        session.get_one(ApiKey, row.id).last_used_at = utc_now() - timedelta(minutes=2)
    note_use(library.database, row.id)
    assert used() not in (None, first)


def test_scope_is_required_and_admin_has_them_all() -> None:
    require(reader(scopes=("ask",)), "ask")
    require(ADMIN, "upload")
    with pytest.raises(Forbidden, match="'ask'"):
        require(reader(scopes=("read", "upload")), "ask")


def test_admin_key_cannot_be_limited_to_corpora(library: Library) -> None:
    with library.database.transaction() as session, pytest.raises(InvalidRequest, match="every corpus"):
        create_key(session, name="k", user="ann", scopes=iter(["read", "admin"]), corpora=[uuid4()])


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 201])
def test_group_without_a_proper_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="not a group name"):
        check_principals(["hr", name])
    assert check_principals([" hr ", "sales", "hr"]) == ("hr", "sales")
