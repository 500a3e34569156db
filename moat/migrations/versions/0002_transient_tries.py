"""Count the tries that ended in a transient error"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("indexings", schema=None) as batch_op:
        batch_op.add_column(sa.Column("transients", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("indexings", schema=None) as batch_op:
        batch_op.drop_column("transients")
