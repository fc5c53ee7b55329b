"""One type for each fact that crosses a border: scores, energy, failures, features, results."""
