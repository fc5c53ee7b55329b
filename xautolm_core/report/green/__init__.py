"""The Green AI report: what searches used, what of it came to nothing, and what it emitted."""
