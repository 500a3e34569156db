"""A call before its row is opened: planned in the thread that opens it, or ahead by who must know more of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from moat.ledger import Opening
from moat.llm.plan import Plan, Planner

Planning = Callable[[str], Plan]
# A row that outlives its call's longest life by this much belongs to a process that died.
EXPIRY_MARGIN_S = 60


@dataclass(slots=True)
class Draft:
    """A call of a model, as it is planned once; that its reader may make it is asked again at each opening."""

    name: str
    make: Planning
    planner: Planner
    made: Plan | None = None

    def plan(self) -> Plan:
        """Give the plan; raises InvalidRequest and UnpricedModel."""
        if self.made is None:
            self.made = self.make(self.name)
        return self.made

    def ahead(self) -> "Draft":
        """Plan, and raise ModelNotAllowed at once where opening would."""
        self.planner.check(self.plan())
        return self

    def opening(self, attempt: int, lives_s: float) -> Opening:
        """Describe the row of an attempt about to be made."""
        plan = self.plan()
        return Opening(
            plan.context,
            provider=plan.provider,
            model=plan.model,
            attempt=attempt,
            ceiling_usd=plan.ceiling_usd,
            price_version=plan.price_version,
            lasts_at_most=timedelta(seconds=lives_s + EXPIRY_MARGIN_S),
            may=partial(self.planner.check_in, plan=plan),
        )
