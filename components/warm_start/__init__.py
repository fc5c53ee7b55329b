"""Component warm_start."""
