"""Corpora, keys, widgets, reindexing and costs."""
