"""Which conversation an answer belongs to, and which corpora were asked for it"""

import sqlalchemy as sa
from alembic import op

revision = "0023_conversations"
down_revision = "0020_uploaders"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("answers", sa.Column("conversation_id", sa.Uuid(), nullable=True))
    op.add_column("answers", sa.Column("asked", sa.JSON(none_as_null=True), nullable=True))
    op.create_index("answers_by_conversation", "answers", ["conversation_id"])


def downgrade() -> None:
    # Not in a batch: on SQLite that makes the table anew, and what refers to its rows goes with the old one.
    op.drop_index("answers_by_conversation", "answers")
    op.drop_column("answers", "asked")
    op.drop_column("answers", "conversation_id")
