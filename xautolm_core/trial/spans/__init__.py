"""Extractive question answering by a span head: windows of tokens, training, answers."""
