"""Component check_incumbent."""
