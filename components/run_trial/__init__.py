"""Component run_trial."""
