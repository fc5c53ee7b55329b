"""Meta-features: numbers that describe a task and the system it is to be learnt on."""
