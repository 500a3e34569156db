"""What may be spent: limits, what each period has used of them, and who waits for room."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from moat.tables.base import Table, utc_now


class Budget(Table):
    """A limit on what a subject may spend in a period."""

    __tablename__ = "budgets"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    scope: Mapped[str]  # deployment, corpus, key, user, group; session: of a widget, made with it
    subject: Mapped[str]  # empty for the deployment, ids of corpora and keys, else a name
    corpus_id: Mapped[UUID | None] = mapped_column(ForeignKey("corpora.id", ondelete="CASCADE"))
    period: Mapped[str]  # day, week, month, total
    limit_usd: Mapped[Decimal]
    hard: Mapped[bool] = mapped_column(default=True)  # refuses; a soft one only alerts
    cheaper_model: Mapped[str | None]  # what a call that does not fit goes to
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    __table_args__ = (
        UniqueConstraint("scope", "subject", "period", name="one_budget_a_subject_and_period"),
        Index("budgets_by_corpus", "corpus_id"),
    )


class BudgetPeriod(Table):
    """What one period of a budget has spent, and what calls under way may still spend."""

    __tablename__ = "budget_periods"
    id: Mapped[UUID] = mapped_column(primary_key=True)  # made of budget and start, so that two cannot be made
    budget_id: Mapped[UUID] = mapped_column(ForeignKey("budgets.id", ondelete="CASCADE"), index=True)
    starts_at: Mapped[datetime]
    settled_usd: Mapped[Decimal] = mapped_column(default=Decimal(0))
    reserved_usd: Mapped[Decimal] = mapped_column(default=Decimal(0))


class BudgetCharge(Table):
    """A call counts against this period, with its ceiling while it is open and with its cost after."""

    __tablename__ = "budget_charges"
    call_id: Mapped[UUID] = mapped_column(primary_key=True)
    period_id: Mapped[UUID] = mapped_column(ForeignKey("budget_periods.id", ondelete="CASCADE"), primary_key=True)
    __table_args__ = (Index("budget_charges_by_period", "period_id"),)


class BudgetWait(Table):
    """A call waits for room in this period, in the order of `since`; its process says now and then that it lives."""

    __tablename__ = "budget_waits"
    call_id: Mapped[UUID] = mapped_column(primary_key=True)
    period_id: Mapped[UUID] = mapped_column(ForeignKey("budget_periods.id", ondelete="CASCADE"), primary_key=True)
    since: Mapped[datetime]
    line: Mapped[UUID] = mapped_column(index=True)  # of the process
    alive_until: Mapped[datetime]
    __table_args__ = (Index("budget_waits_by_period", "period_id", "since"),)


class BudgetAlert(Table):
    """A period has spent this part of its budget; told once."""

    __tablename__ = "budget_alerts"
    period_id: Mapped[UUID] = mapped_column(ForeignKey("budget_periods.id", ondelete="CASCADE"), primary_key=True)
    percent: Mapped[int] = mapped_column(primary_key=True)
    spent_usd: Mapped[Decimal]
    limit_usd: Mapped[Decimal]
    raised_at: Mapped[datetime] = mapped_column(default=utc_now)
    logged_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None] = mapped_column(index=True)  # by webhook, or by the log where there is none
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime] = mapped_column(default=utc_now)
