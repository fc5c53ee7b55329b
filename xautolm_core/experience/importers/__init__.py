"""Importers: foreign records become experiences, with an account of all that came and went."""
