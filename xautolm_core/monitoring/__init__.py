"""What Prometheus is told: totals of an experience store, and which searches run."""
