"""The Green AI report: what searches used, wasted and emitted."""
