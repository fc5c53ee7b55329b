"""Registered models, as objects: versions that never change, and which of them is in use."""
