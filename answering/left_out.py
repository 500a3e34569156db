"""Why an optional stage was left out, in the words that answers and searches tell it in."""

from moat.errors import BudgetExceeded, CallTooDear, ModelNotAllowed

FAILED, LATE = "failed", "late"


def reason(error: Exception) -> str:
    """Name what kept a stage from being run."""
    if isinstance(error, TimeoutError):
        return LATE
    if isinstance(error, BudgetExceeded | CallTooDear):
        return "over budget"
    return "not allowed" if isinstance(error, ModelNotAllowed) else FAILED
