"""Does one indexing and ends: `python -m tests.fakes.paid_worker INDEXING`, with everything else in the environment."""

import sys
from uuid import UUID

from moat import jobs
from moat.settings import Settings
from workers.app import build_parts
from workers.ingest_document import ingest_once


def main() -> None:
    settings = Settings.load()
    parts = build_parts(settings, jobs.celery_app(settings))
    try:
        ingest_once(UUID(sys.argv[1]), parts)
    finally:
        parts.sandbox.close()


if __name__ == "__main__":
    main()
