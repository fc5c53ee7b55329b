"""A package of somebody else: a sampler and an energy meter."""
