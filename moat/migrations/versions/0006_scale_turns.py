"""Let indexes answer what would otherwise cost more with every document"""

from alembic import op

revision = "0006_scale_turns"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("outbox_by_turn", "outbox", ["queue", "corpus_id", "available_at"])
    op.create_index("documents_by_state", "documents", ["corpus_id", "state"])
    op.drop_index("documents_by_key", "documents")
    op.create_index("documents_by_key", "documents", ["corpus_id", "key", "created_at"])
    op.drop_index("indexings_by_state", "indexings")
    op.create_index("indexings_by_state", "indexings", ["state", "queue", "generation_id"])


def downgrade() -> None:
    op.drop_index("indexings_by_state", "indexings")
    op.create_index("indexings_by_state", "indexings", ["state", "available_at"])
    op.drop_index("documents_by_key", "documents")
    op.create_index("documents_by_key", "documents", ["corpus_id", "key"])
    op.drop_index("documents_by_state", "documents")
    op.drop_index("outbox_by_turn", "outbox")
