"""From which likeliness on a corpus's questions are answered"""

import sqlalchemy as sa
from alembic import op

revision = "0014_abstain_below"
down_revision = "0017_budgets"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("corpora", schema=None) as batch_op:
        batch_op.add_column(sa.Column("abstain_below", sa.Float(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("corpora", schema=None) as batch_op:
        batch_op.drop_column("abstain_below")
