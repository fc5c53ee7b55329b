"""Component compare_models."""
