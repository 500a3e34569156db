"""The catalog's SQL models. The catalog is the truth: broker and vectors are rebuilt from it and from the blobs."""

from moat.tables.answers import AnswerRow, CachedAnswer, CallRow, Feedback, Idempotency, PriceSheetRow
from moat.tables.audit import AuditHead, AuditRow, SettingsSeen
from moat.tables.base import Money, Table, Utc, utc_now
from moat.tables.budgets import Budget, BudgetAlert, BudgetCharge, BudgetPeriod, BudgetWait
from moat.tables.documents import (
    ChunkRow,
    Corpus,
    CorpusAccess,
    Document,
    DocumentAccess,
    Generation,
    Indexing,
    LikenessBand,
    LikenessRow,
    Version,
)
from moat.tables.erasures import AnswerDocument, Erasure
from moat.tables.identity import ApiKey, UsedToken, Widget, WidgetSession
from moat.tables.work import Forgetting, Job, Outbox, SourceRow

__all__ = [
    "AnswerDocument",
    "AnswerRow",
    "ApiKey",
    "AuditHead",
    "AuditRow",
    "Budget",
    "BudgetAlert",
    "BudgetCharge",
    "BudgetPeriod",
    "BudgetWait",
    "CachedAnswer",
    "CallRow",
    "ChunkRow",
    "Corpus",
    "CorpusAccess",
    "Document",
    "DocumentAccess",
    "Erasure",
    "Feedback",
    "Forgetting",
    "Generation",
    "Idempotency",
    "Indexing",
    "Job",
    "LikenessBand",
    "LikenessRow",
    "Money",
    "Outbox",
    "PriceSheetRow",
    "SettingsSeen",
    "SourceRow",
    "Table",
    "UsedToken",
    "Utc",
    "Version",
    "Widget",
    "WidgetSession",
    "utc_now",
]
