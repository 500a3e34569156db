"""Remember what each document's text is like"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "likenesses",
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("near_duplicate_of", sa.Uuid(), nullable=True),
        sa.Column("resemblance", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("document_id"),
    )
    op.create_index("ix_likenesses_near_duplicate_of", "likenesses", ["near_duplicate_of"])
    op.create_table(
        "likeness_bands",
        sa.Column("corpus_id", sa.Uuid(), nullable=False),
        sa.Column("band", sa.BigInteger(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["corpus_id"], ["corpora.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["document_id"], ["documents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("corpus_id", "band", "document_id"),
    )
    op.create_index("ix_likeness_bands_document_id", "likeness_bands", ["document_id"])


def downgrade() -> None:
    op.drop_table("likeness_bands")
    op.drop_table("likenesses")
