"""Component register_model."""
