"""Elasticsearch as a log store: the embedded store's answers, over indices that others may have written."""
