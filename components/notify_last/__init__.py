"""Component notify_last."""
