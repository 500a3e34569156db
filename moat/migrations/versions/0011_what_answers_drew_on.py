"""What each answer drew on, so that it is withheld once its reader may not read that any more."""

import sqlalchemy as sa
from alembic import op

revision = "0011_drawn_on"
down_revision = "0008_sources"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "answer_documents",
        sa.Column("answer_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["answer_id"], ["answers.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("answer_id", "document_id"),
    )
    op.create_index("ix_answer_documents_document_id", "answer_documents", ["document_id"])
    # Of earlier answers nobody knows which uncited documents their model has read: they stay withheld.
    op.add_column("answers", sa.Column("corpora", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("answers", "corpora")
    op.drop_index("ix_answer_documents_document_id", table_name="answer_documents")
    op.drop_table("answer_documents")
