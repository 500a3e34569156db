"""Which settings are not as they were at a process's last start, for the audit log: names alone, no values."""

import hashlib
import json
import secrets
from typing import Any

from pydantic import BaseModel, SecretStr
from sqlalchemy.orm import Session

from moat import audit
from moat.settings import Settings
from moat.tables import SettingsSeen, utc_now

# `moat up` chooses these anew at every start.
_CHOSEN = ("broker.url", "qdrant.url", "qdrant.api_key", "qdrant.grpc_port", "qdrant.prefer_grpc", "api.port")


def note_settings(session: Session, settings: Settings, process: str) -> None:
    """Write an entry when this kind of process starts with other settings than the last time, and at its first."""
    seen = session.get(SettingsSeen, process, with_for_update=True)
    salt = secrets.token_hex(16) if seen is None else seen.salt
    digests = {name: hashlib.sha256(f"{salt}{value}".encode()).hexdigest() for name, value in _values(settings).items()}
    if seen is None:
        session.add(SettingsSeen(process=process, salt=salt, digests=digests))
        audit.note(session, None, "settings.first_seen", process)
        return
    changed = sorted(
        name for name in digests.keys() | seen.digests.keys() if digests.get(name) != seen.digests.get(name)
    )
    if changed:
        seen.digests, seen.seen_at = digests, utc_now()
        audit.note(session, None, "settings.changed", process, names=changed)


def _values(section: BaseModel, prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name in type(section).model_fields:
        value, path = getattr(section, name), prefix + name
        if isinstance(value, BaseModel):
            found |= _values(value, f"{path}.")
        elif isinstance(value, dict):
            for key, entry in value.items():
                inner = f"{path}.{key}"
                found |= _values(entry, f"{inner}.") if isinstance(entry, BaseModel) else {inner: _text(entry)}
        elif path not in _CHOSEN:
            found[path] = _text(value)
    return found


def _text(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else json.dumps(value, default=str, sort_keys=True)
