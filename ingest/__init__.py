"""From bytes to embedded chunks: no database, no HTTP, no queue."""
