"""What Prometheus reads: the ledger's sums, budgets and queues from the catalog, and what this process has answered."""

import ipaddress
import time
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from moat.access import METRICS, require
from moat.budgets import standings
from moat.database import Database
from moat.errors import MoatError
from moat.jobs import QUEUES, Publisher
from moat.records import Answer, Reader
from moat.tables import CallRow, Indexing
from services.dependencies import PartsOf, get_reader

router = APIRouter(tags=["health"])
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
# Names of users, corpora and questions are in no label: whoever reads metrics need not know them.
_CALL = ("provider", "model", "kind", "status")
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {CONTENT_TYPE_LATEST: {"schema": {"type": "string"}}}, "description": "The figures."}
}
_EVERYTHING = Reader(key_id=None, user="", scopes=frozenset({"admin"}))


class Metrics:
    """The counters of one process, and what is read from the catalog at each scrape."""

    def __init__(self, database: Database, publisher: Publisher) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(FromCatalog(database, publisher))
        self._requests = Histogram(
            "moat_request_seconds",
            "How long requests took, until the last byte was sent.",
            ("method", "route", "status"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._answers = Counter(
            "moat_answers", "Answers given by this process.", ("outcome", "model"), registry=self._registry
        )
        self._saved = Counter(
            "moat_saved_usd", "Dollars that kept answers have saved in this process.", registry=self._registry
        )

    def note_request(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).observe(seconds)

    def note_answer(self, answer: Answer) -> None:
        self._answers.labels("abstained" if answer.abstained else "answered", answer.model).inc()
        self._saved.inc(float(answer.cost.saved_usd))

    def note_failure(self, model: str) -> None:
        self._answers.labels("failed", model).inc()

    def text(self) -> bytes:
        return generate_latest(self._registry)


class FromCatalog(Collector):
    """The same in whichever process is asked.

    Gauges, not counters: a call is an open one before it is one that ended, and a presumed cost may be corrected.
    """

    def __init__(self, database: Database, publisher: Publisher) -> None:
        self._database = database
        self._publisher = publisher

    def describe(self) -> Iterable[Metric]:
        return ()  # registering must not read the catalog, which may not be there yet

    def collect(self) -> Iterator[Metric]:
        calls = GaugeMetricFamily("moat_calls", "Calls to models in the ledger.", labels=_CALL)
        cost = GaugeMetricFamily("moat_cost_usd", "Dollars in the ledger; open calls at their ceiling.", labels=_CALL)
        tokens = GaugeMetricFamily("moat_tokens", "Tokens in the ledger.", labels=(*_CALL, "unit"))
        for row in self._calls():
            labels = [getattr(row, name) for name in _CALL]
            calls.add_metric(labels, row.calls)
            cost.add_metric(labels, float(row.cost_usd))
            for unit in ("input", "cached", "output", "reasoning"):
                tokens.add_metric([*labels, unit], getattr(row, unit))
        yield from (calls, tokens, cost)
        yield from self._budgets()
        yield self._waiting()
        yield self._in_broker()

    def _calls(self) -> list[Any]:
        sums = [
            func.sum(getattr(CallRow, f"{unit}_tokens")).label(unit)
            for unit in ("input", "cached", "output", "reasoning")
        ]
        by = [getattr(CallRow, name) for name in _CALL]
        statement = select(*by, func.count().label("calls"), func.sum(CallRow.cost_usd).label("cost_usd"), *sums)
        with self._database.reading() as session:
            return list(session.execute(statement.group_by(*by).order_by(*by)))

    def _budgets(self) -> Iterator[Metric]:
        """Budgets by their ids, not by whose they are: subjects are names of people."""
        labels = ("budget", "scope", "period")
        limit = GaugeMetricFamily("moat_budget_limit_usd", "What a budget's period may cost.", labels=labels)
        spent = GaugeMetricFamily("moat_budget_spent_usd", "What its present period has cost.", labels=labels)
        reserved = GaugeMetricFamily("moat_budget_reserved_usd", "What open calls may still cost of it.", labels=labels)
        with self._database.reading() as session:
            found = standings(session, _EVERYTHING)
        for standing in found:
            budget = standing.budget
            named = [str(budget.id), budget.scope, budget.period]
            limit.add_metric(named, float(budget.limit_usd))
            spent.add_metric(named, float(standing.spent_usd))
            reserved.add_metric(named, float(standing.reserved_usd))
        yield from (limit, spent, reserved)

    def _waiting(self) -> Metric:
        documents = GaugeMetricFamily(
            "moat_documents_in_work", "Documents by queue and state.", labels=["queue", "state"]
        )
        states = ("queued", "parsing", "embedding")
        with self._database.reading() as session:
            rows = session.execute(
                select(Indexing.queue, Indexing.state, func.count())
                .where(Indexing.state.in_(states))
                .group_by(Indexing.queue, Indexing.state)
            ).all()
        counts = {(row[0], str(row[1])): row[2] for row in rows}
        for queue in QUEUES:
            for state in states:
                documents.add_metric([queue, state], counts.get((queue, state), 0))
        return documents

    def _in_broker(self) -> Metric:
        """A broker that is away has no figures, and hides no other's."""
        messages = GaugeMetricFamily("moat_queue_messages", "Tasks that wait in the broker.", labels=["queue"])
        for queue in QUEUES:
            try:
                messages.add_metric([queue], self._publisher.waiting(queue))
            except MoatError:
                break
        return messages


class Timed:
    """Measures every request, by its route's template: paths hold ids."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "(none)")
            method = scope["method"] if route != "(none)" else "(any)"
            self._metrics.note_request(method, route, status, time.perf_counter() - started)


@router.get("/metrics", response_class=Response, responses=_TEXT)
def metrics(request: Request, parts: PartsOf) -> Response:
    """Give Prometheus its figures: to this machine itself, or for a key with the scope `metrics`."""
    if not _is_this_machine(request, parts.settings.api.trusted_proxies):
        require(get_reader(request, parts), METRICS)
    counted: Metrics = request.app.state.metrics
    return Response(counted.text(), media_type=CONTENT_TYPE_LATEST)


def _is_this_machine(request: Request, trusted_proxies: tuple[str, ...]) -> bool:
    """Tell whether the caller sits on this machine; behind a proxy nobody can tell."""
    if trusted_proxies or request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    return _is_loopback(request.client.host) and _is_loopback(request.url.hostname or "")


def _is_loopback(host: str) -> bool:
    # The name that was asked for counts too: a page of elsewhere can have its own name lead to this machine.
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
