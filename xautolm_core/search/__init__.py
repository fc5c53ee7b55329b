"""The search: history, samplers, and the ask/tell loop with its budgets."""
