"""Let indexings share a canonical text"""

import sqlalchemy as sa
from alembic import op

revision = "0007_scale_texts"
down_revision = "0006_scale_turns"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("indexings", sa.Column("text", sa.String(), nullable=True))
    op.create_index("ix_indexings_text", "indexings", ["text"])


def downgrade() -> None:
    op.drop_index("ix_indexings_text", "indexings")
    op.drop_column("indexings", "text")
