"""Tests of models in other forms."""
