"""Answers and replies of an older catalog are brought where erasures find them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from moat.database import Database, _alembic
from moat.tables import AnswerDocument, AnswerRow, AuditHead, Feedback, Idempotency, utc_now
from tests.fakes.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Database]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else f"sqlite:///{tmp_path / 'c.db'}"
    made = Database(url)
    yield made
    made.close()


def test_documents_of_answers_are_named_and_replies_keep_ids_alone(database: Database) -> None:
    before = ScriptDirectory.from_config(_alembic()).get_revision("0012_erasure").down_revision
    with database.engine.begin() as connection:
        config = _alembic()
        config.attributes["connection"] = connection
        command.upgrade(config, str(before))
    one, two, failed, lunch, bus = (uuid4() for _ in range(5))
    bodies: dict[Any, Any] = {one: [lunch, bus, lunch], two: [bus], failed: None}
    catalog = sa.MetaData()
    with database.engine.begin() as connection:
        catalog.reflect(connection, only=("answers", "idempotency"))
        answers, replies = catalog.tables["answers"], catalog.tables["idempotency"]
        for answer, cited in bodies.items():
            body = None if cited is None else {"id": str(answer), "citations": [{"document_id": str(d)} for d in cited]}
            connection.execute(
                sa.text(
                    'INSERT INTO answers (id, "user", question, status, body, created_at)'
                    " VALUES (:id, 'ann', 'Why?', 'answered', :body, :now)"
                ).bindparams(
                    sa.bindparam("id", answer, type_=sa.Uuid()),
                    sa.bindparam("body", body, type_=sa.JSON(none_as_null=True)),
                    sa.bindparam("now", utc_now(), type_=answers.c.created_at.type),
                )
            )
        for number, response in enumerate(({"id": str(one), "answer": "a secret"}, None)):
            connection.execute(
                sa.insert(replies).values(
                    key_id="k",
                    route="POST /v1/answers",
                    key=str(number),
                    body_sha256="x",
                    status=200 if response else None,
                    response=response,
                    created_at=utc_now(),
                )
            )
    database.migrate()
    with database.reading() as session:
        pairs = {(row.answer_id, row.document_id) for row in session.scalars(sa.select(AnswerDocument))}
        assert pairs == {(one, lunch), (one, bus), (two, bus)}
        responses = session.scalars(sa.select(Idempotency.response).order_by(Idempotency.key)).all()
        assert responses == [{"id": str(one)}, None]
        assert session.scalars(sa.select(AuditHead.seq)).all() == [0]


def test_way_back_from_conversations_keeps_what_refers_to_answers(database: Database) -> None:
    database.migrate()
    answer = uuid4()
    with database.transaction() as session:
        row = AnswerRow(id=answer, user="ann", question="Why?", status="answered", conversation_id=uuid4())
        session.add_all([row, Feedback(answer_id=answer, rating="up")])
    before = ScriptDirectory.from_config(_alembic()).get_revision("0023_conversations").down_revision
    with database.engine.begin() as connection:
        config = _alembic()
        config.attributes["connection"] = connection
        command.downgrade(config, str(before))
    database.migrate()
    with database.reading() as session:
        assert session.query(Feedback).one().answer_id == answer
        assert session.get_one(AnswerRow, answer).conversation_id is None
