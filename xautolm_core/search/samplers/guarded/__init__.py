"""The guarded sampler: Bayesian model averaging over structures that use history or do not."""
