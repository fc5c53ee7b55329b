"""Experiences: what every trial has taught, kept for every later search."""
