"""Component fingerprint."""
