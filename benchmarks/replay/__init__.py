"""The replay benchmark: samplers on tables of recorded outcomes.

``python -m benchmarks.replay --help`` says how to run it.
"""
