"""Keys with a second secret for a while, keys that speak for others, widgets whose pages sign"""

import sqlalchemy as sa
from alembic import op

import moat.tables

revision = "0013_identity"
down_revision = "0012_erasure"
branch_labels = None
depends_on = None

# A plain string: with an expression SQLite's tables are made anew, and without their widgets the sessions go.
_NO_NAMES, _NO = "[]", "0"


def upgrade() -> None:
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.add_column(sa.Column("previous_sha256", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("previous_until", moat.tables.Utc(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("act_for_groups", sa.JSON(), nullable=False, server_default=_NO_NAMES))
        batch_op.create_index("ix_api_keys_previous_sha256", ["previous_sha256"], unique=True)
    with op.batch_alter_table("widgets", schema=None) as batch_op:
        batch_op.add_column(sa.Column("signed_only", sa.Boolean(), nullable=False, server_default=_NO))
        batch_op.add_column(sa.Column("signed_groups", sa.JSON(), nullable=False, server_default=_NO_NAMES))
        batch_op.add_column(sa.Column("users", sa.String(), nullable=False, server_default="page"))
        batch_op.add_column(sa.Column("secret", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("limit_usd", moat.tables.Money(24, 12), nullable=True))
    with op.batch_alter_table("widget_sessions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("groups", sa.JSON(), nullable=False, server_default=_NO_NAMES))
        batch_op.add_column(sa.Column("limit_usd", moat.tables.Money(24, 12), nullable=True))
    op.create_table(
        "used_tokens",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", moat.tables.Utc(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index("ix_used_tokens_expires_at", "used_tokens", ["expires_at"])


def downgrade() -> None:
    op.drop_table("used_tokens")
    with op.batch_alter_table("widget_sessions", schema=None) as batch_op:
        batch_op.drop_column("limit_usd")
        batch_op.drop_column("groups")
    with op.batch_alter_table("widgets", schema=None) as batch_op:
        for name in ("limit_usd", "secret", "users", "signed_groups", "signed_only"):
            batch_op.drop_column(name)
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.drop_index("ix_api_keys_previous_sha256")
        for name in ("act_for_groups", "previous_until", "previous_sha256"):
            batch_op.drop_column(name)
