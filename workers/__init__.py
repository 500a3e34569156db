"""When work runs: Celery's doorways, claims on the catalog, and the sweeper that finds what was lost."""
