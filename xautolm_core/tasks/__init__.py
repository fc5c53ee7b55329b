"""Tasks: what is to be learnt, its data, and how a model's answers are scored."""
