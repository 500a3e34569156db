"""Documents out of documents, and whose turn a task is"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.add_column(sa.Column("parent_id", sa.Uuid(), nullable=True))
        batch_op.create_index("ix_documents_parent_id", ["parent_id"])
    with op.batch_alter_table("versions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("unpacked_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("warnings", sa.JSON(none_as_null=True), nullable=True))
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.add_column(sa.Column("corpus_id", sa.Uuid(), nullable=True))
    with op.batch_alter_table("indexings", schema=None) as batch_op:
        batch_op.create_index("indexings_by_end", ["finished_at"])


def downgrade() -> None:
    with op.batch_alter_table("indexings", schema=None) as batch_op:
        batch_op.drop_index("indexings_by_end")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_column("corpus_id")
    with op.batch_alter_table("versions", schema=None) as batch_op:
        batch_op.drop_column("warnings")
        batch_op.drop_column("unpacked_at")
    with op.batch_alter_table("documents", schema=None) as batch_op:
        batch_op.drop_index("ix_documents_parent_id")
        batch_op.drop_column("parent_id")
