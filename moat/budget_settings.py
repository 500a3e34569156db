"""The settings of budgets: how long a call waits for room, and who is told when one is being used up."""

from pydantic import Field, SecretStr

from moat.section import Section


class BudgetSettings(Section):
    wait_s: float = Field(
        10, ge=0, le=86_400, description="Longest that a call waits for calls under way to leave room in a budget."
    )
    webhook: SecretStr = Field(
        SecretStr(""), description="Address that alerts of budgets are sent to as JSON; its host is public or allowed."
    )
