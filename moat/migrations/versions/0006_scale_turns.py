"""Find the next document of a corpus in the outbox by an index"""

from alembic import op

revision = "0006_scale_turns"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("outbox_by_turn", "outbox", ["queue", "corpus_id", "available_at"])


def downgrade() -> None:
    op.drop_index("outbox_by_turn", "outbox")
