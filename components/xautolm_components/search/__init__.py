"""Component search."""
