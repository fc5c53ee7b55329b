"""Component record_experiences."""
