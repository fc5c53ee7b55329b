"""Searches in MLflow: what is sent, when, and in which form. The only room that imports mlflow."""
