"""The HTTP face: routes, schemas, errors. No parser and no Celery task is imported here."""
