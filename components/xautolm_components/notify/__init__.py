"""Component notify."""
