"""Component evaluate."""
