"""Tests of what MLflow is told."""
