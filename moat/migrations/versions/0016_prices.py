"""The price sheets that calls were billed by, why a cost is an upper bound, and where a corpus's text may go"""

import sqlalchemy as sa
from alembic import op

import moat.tables

revision = "0016_prices"
down_revision = "0013_identity"
branch_labels = None
depends_on = None

# A plain string: with an expression SQLite's tables are made anew.
_NONE = "[]"


def upgrade() -> None:
    op.create_table(
        "price_sheets",
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("body", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("first_used_at", moat.tables.Utc(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.add_column(sa.Column("flags", sa.JSON(none_as_null=True), nullable=False, server_default=_NONE))
    with op.batch_alter_table("corpora", schema=None) as batch_op:
        batch_op.add_column(sa.Column("reach", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("corpora", schema=None) as batch_op:
        batch_op.drop_column("reach")
    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.drop_column("flags")
    op.drop_table("price_sheets")
