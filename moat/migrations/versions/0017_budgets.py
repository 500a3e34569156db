"""Budgets with their periods, charges, waits and alerts; for whom a call was made"""

import sqlalchemy as sa
from alembic import op

import moat.tables

revision = "0017_budgets"
down_revision = "0018_cached_answers"
branch_labels = None
depends_on = None

_NO_NAMES = "[]"


def upgrade() -> None:
    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.add_column(sa.Column("groups", sa.JSON(), nullable=False, server_default=_NO_NAMES))
        batch_op.add_column(sa.Column("document_id", sa.Uuid(), nullable=True))
        # The sweeper looks for open ones every few seconds, and the ledger only grows.
        batch_op.create_index("calls_by_state", ["status", "expires_at"])
    op.create_table(
        "budgets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("corpus_id", sa.Uuid(), nullable=True),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("limit_usd", moat.tables.Money(24, 12), nullable=False),
        sa.Column("hard", sa.Boolean(), nullable=False),
        sa.Column("cheaper_model", sa.String(), nullable=True),
        sa.Column("created_at", moat.tables.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["corpus_id"], ["corpora.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("scope", "subject", "period", name="one_budget_a_subject_and_period"),
    )
    op.create_index("budgets_by_corpus", "budgets", ["corpus_id"])
    op.create_table(
        "budget_periods",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("budget_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", moat.tables.Utc(timezone=True), nullable=False),
        sa.Column("settled_usd", moat.tables.Money(24, 12), nullable=False),
        sa.Column("reserved_usd", moat.tables.Money(24, 12), nullable=False),
        sa.ForeignKeyConstraint(["budget_id"], ["budgets.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_budget_periods_budget_id", "budget_periods", ["budget_id"])
    op.create_table(
        "budget_charges",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("period_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["period_id"], ["budget_periods.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call_id", "period_id"),
    )
    op.create_index("budget_charges_by_period", "budget_charges", ["period_id"])
    op.create_table(
        "budget_waits",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("period_id", sa.Uuid(), nullable=False),
        sa.Column("since", moat.tables.Utc(timezone=True), nullable=False),
        sa.Column("line", sa.Uuid(), nullable=False),
        sa.Column("alive_until", moat.tables.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["period_id"], ["budget_periods.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call_id", "period_id"),
    )
    op.create_index("budget_waits_by_period", "budget_waits", ["period_id", "since"])
    op.create_index("ix_budget_waits_line", "budget_waits", ["line"])
    op.create_table(
        "budget_alerts",
        sa.Column("period_id", sa.Uuid(), nullable=False),
        sa.Column("percent", sa.Integer(), nullable=False),
        sa.Column("spent_usd", moat.tables.Money(24, 12), nullable=False),
        sa.Column("limit_usd", moat.tables.Money(24, 12), nullable=False),
        sa.Column("raised_at", moat.tables.Utc(timezone=True), nullable=False),
        sa.Column("logged_at", moat.tables.Utc(timezone=True), nullable=True),
        sa.Column("told_at", moat.tables.Utc(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", moat.tables.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["period_id"], ["budget_periods.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("period_id", "percent"),
    )
    op.create_index("ix_budget_alerts_told_at", "budget_alerts", ["told_at"])


def downgrade() -> None:
    for table in ("budget_alerts", "budget_waits", "budget_charges", "budget_periods", "budgets"):
        op.drop_table(table)
    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.drop_index("calls_by_state")
        batch_op.drop_column("document_id")
        batch_op.drop_column("groups")
