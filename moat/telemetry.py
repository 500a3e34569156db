"""One line of JSON per event, on standard error, for every process."""

import json
import logging
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

MASK = "********"
# Moat's own keys and tokens, of which it knows the hashes alone, and whatever anybody sends as one.
_OWN_SECRETS = r"\bmoat_[\w-]{20,}|\bmws_[\w-]{20,}|(?<=Bearer )[^\s\"\\]{6,}"
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Formats a record and its extra fields as one JSON object."""

    def __init__(self, process: str, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._process = process
        # As they stand in a line of JSON; the longest first, for one may begin like another.
        known = sorted({form for secret in secrets for form in (secret, json.dumps(secret)[1:-1])}, key=len)
        self._secret = re.compile("|".join([_OWN_SECRETS, *map(re.escape, reversed(known))]))

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return self._secret.sub(MASK, json.dumps(line, default=str, ensure_ascii=False))


def configure(process: str, level: str = "INFO", secrets: Iterable[str] = ()) -> None:
    """Send this process's logs to standard error, secrets masked; libraries speak only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(process, secrets))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for name in ("moat", "answering", "ingest", "workers", "services", "cli", "evaluation"):
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(True)
