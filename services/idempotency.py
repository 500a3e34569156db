"""A repeated POST with the same Idempotency-Key answers what the first one answered."""

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, update

from moat.database import Database
from moat.errors import Conflict, InvalidRequest
from moat.records import Reader
from moat.tables import Idempotency, utc_now


@dataclass(frozen=True, slots=True)
class Stored:
    """What the first request was answered."""

    status: int
    body: dict[str, Any]


class Once:
    """One request's place in the record of idempotency keys; without a key it does nothing."""

    def __init__(
        self, database: Database, reader: Reader, route: str, key: str | None, body: str, *, lasts_at_most: timedelta
    ) -> None:
        self._database = database
        self._lasts_at_most = lasts_at_most
        self._key = key
        # One key may ask for many people, and what somebody may read changes: neither may get another's stored answer.
        rights = json.dumps([reader.subject, sorted(reader.groups), sorted(map(str, reader.corpora or ()))])
        self._identity = (hashlib.sha256(rights.encode()).hexdigest(), route, key or "")
        self._sha256 = hashlib.sha256(body.encode()).hexdigest()

    def begin(self) -> Stored | None:
        """Give the stored answer, or take the key; Conflict while the first request is under way."""
        if self._key is None:
            return None
        with self._database.transaction() as session:
            self._database.lock(session, "idempotency/" + "/".join(self._identity))
            row = session.get(Idempotency, self._identity)
            if row is None:
                key_id, route, key = self._identity
                session.add(Idempotency(key_id=key_id, route=route, key=key, body_sha256=self._sha256))
                return None
            if row.body_sha256 != self._sha256:
                raise InvalidRequest("This Idempotency-Key came with another body before.", "Use a new key.")
            if row.status is None or row.response is None:
                if row.created_at < utc_now() - self._lasts_at_most:  # the process that answered it has died
                    row.created_at = utc_now()
                    return None
                raise Conflict("The first request with this Idempotency-Key is still under way.", "Wait and repeat it.")
            return Stored(row.status, row.response)

    def keep(self, status: int, body: dict[str, Any]) -> None:
        """Store the answer for repetitions."""
        if self._key is not None:
            with self._database.transaction() as session:
                session.execute(update(Idempotency).where(*self._where()).values(status=status, response=body))

    def forget(self) -> None:
        """Free the key after a request that failed, so that it can be tried again."""
        if self._key is not None:
            with self._database.transaction() as session:
                session.execute(delete(Idempotency).where(*self._where()))

    def _where(self) -> tuple[Any, ...]:
        key_id, route, key = self._identity
        return (Idempotency.key_id == key_id, Idempotency.route == route, Idempotency.key == key)
