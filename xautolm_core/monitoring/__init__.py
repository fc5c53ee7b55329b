"""Metrics for Prometheus: totals of an experience store, and the running searches."""
