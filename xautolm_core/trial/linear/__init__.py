"""Classifiers that are logistic regressions: on TF-IDF, on frozen features, and on both."""
