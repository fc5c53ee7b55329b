"""Component sample_trials."""
