"""The audit log, reports of erasures, the documents that answers are made of, retention"""

from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0012_erasure"
down_revision = "0011_drawn_on"
branch_labels = None
depends_on = None

_AT_ONCE = 500


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("corpus_id", sa.Uuid(), nullable=True),
        sa.Column("details", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    for name in ("user", "object", "action"):
        op.create_index(f"audit_by_{name}", "audit", [name, "seq"])
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.bulk_insert(head, [{"id": 1, "seq": 0, "hash": "0" * 64}])
    op.create_table(
        "settings_seen",
        sa.Column("process", sa.String(), nullable=False),
        sa.Column("salt", sa.String(), nullable=False),
        sa.Column("digests", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("process"),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=True),
        sa.Column("corpus_id", sa.Uuid(), nullable=True),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("removed", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("collections", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("checked", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    for name in ("document_id", "parent_id", "state"):
        op.create_index(f"ix_erasures_{name}", "erasures", [name])
    op.create_index("ix_answers_created_at", "answers", ["created_at"])
    with op.batch_alter_table("corpora", schema=None) as batch_op:
        batch_op.add_column(sa.Column("retention_days", sa.Integer(), nullable=True))
    with op.batch_alter_table("forgettings", schema=None) as batch_op:
        batch_op.add_column(sa.Column("erasure_id", sa.Uuid(), nullable=True))
    _note_documents_of_answers()
    _keep_ids_of_replies()


def _note_documents_of_answers() -> None:
    """Name the documents that answers given before cite; which others were read for them was not kept."""
    answers = sa.table("answers", sa.column("id", sa.Uuid()), sa.column("body", sa.JSON(none_as_null=True)))
    used = sa.table("answer_documents", sa.column("answer_id", sa.Uuid()), sa.column("document_id", sa.Uuid()))
    connection = op.get_bind()
    ids = connection.scalars(sa.select(answers.c.id).where(answers.c.body.is_not(None))).all()
    for start in range(0, len(ids), _AT_ONCE):
        some = connection.execute(sa.select(answers).where(answers.c.id.in_(ids[start : start + _AT_ONCE]))).all()
        rows = [
            {"answer_id": row.id, "document_id": UUID(document)}
            for row in some
            for document in {citation["document_id"] for citation in row.body.get("citations", ())}
        ]
        if rows:
            connection.execute(sa.insert(used), rows)


def _keep_ids_of_replies() -> None:
    """Have a repeated question answered from its answer's row, as from now on."""
    table = sa.table(
        "idempotency",
        sa.column("key_id", sa.String()),
        sa.column("route", sa.String()),
        sa.column("key", sa.String()),
        sa.column("response", sa.JSON(none_as_null=True)),
    )
    connection = op.get_bind()
    kept = sa.select(table).where(table.c.route == "POST /v1/answers", table.c.response.is_not(None))
    for row in connection.execute(kept).all():
        if not row.response:  # the first request is under way
            continue
        same = (table.c.key_id == row.key_id) & (table.c.route == row.route) & (table.c.key == row.key)
        connection.execute(sa.update(table).where(same).values(response={"id": row.response["id"]}))


def downgrade() -> None:
    op.drop_index("ix_answers_created_at", "answers")
    with op.batch_alter_table("forgettings", schema=None) as batch_op:
        batch_op.drop_column("erasure_id")
    with op.batch_alter_table("corpora", schema=None) as batch_op:
        batch_op.drop_column("retention_days")
    for table in ("erasures", "settings_seen", "audit_head", "audit"):
        op.drop_table(table)
