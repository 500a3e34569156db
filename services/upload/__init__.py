"""Documents in: receive, accept, list, delete."""
