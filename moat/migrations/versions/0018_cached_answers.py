"""Answers that may be given again, and how the answer came out that a call was made for"""

import sqlalchemy as sa
from alembic import op

import moat.tables

revision = "0018_cached_answers"
down_revision = "0016_prices"
branch_labels = None
depends_on = None

# A plain string: with an expression SQLite's tables are made anew, and what refers to them goes.
_YES = "1"


def upgrade() -> None:
    op.create_table(
        "cached_answers",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("answer_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", moat.tables.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["answer_id"], ["answers.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_cached_answers_answer_id", "cached_answers", ["answer_id"])
    op.create_index("ix_cached_answers_expires_at", "cached_answers", ["expires_at"])
    op.create_index("ix_document_access_principal", "document_access", ["principal"])
    with op.batch_alter_table("corpora", schema=None) as batch_op:
        batch_op.add_column(sa.Column("cache_answers", sa.Boolean(), nullable=False, server_default=_YES))
    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.add_column(sa.Column("outcome", sa.String(), nullable=False, server_default=""))
    op.execute(
        "UPDATE calls SET outcome = (SELECT status FROM answers WHERE answers.id = calls.answer_id)"
        " WHERE answer_id IN (SELECT id FROM answers WHERE status <> 'open')"
    )


def downgrade() -> None:
    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.drop_column("outcome")
    with op.batch_alter_table("corpora", schema=None) as batch_op:
        batch_op.drop_column("cache_answers")
    op.drop_index("ix_document_access_principal", "document_access")
    op.drop_index("ix_cached_answers_expires_at", "cached_answers")
    op.drop_index("ix_cached_answers_answer_id", "cached_answers")
    op.drop_table("cached_answers")
