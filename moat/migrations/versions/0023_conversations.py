"""Which conversation an answer belongs to, and which corpora were asked for it"""

import sqlalchemy as sa
from alembic import op

revision = "0023_conversations"
down_revision = "0020_uploaders"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("answers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("conversation_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("asked", sa.JSON(none_as_null=True), nullable=True))
        batch_op.create_index("answers_by_conversation", ["conversation_id"])


def downgrade() -> None:
    with op.batch_alter_table("answers", schema=None) as batch_op:
        batch_op.drop_index("answers_by_conversation")
        batch_op.drop_column("asked")
        batch_op.drop_column("conversation_id")
