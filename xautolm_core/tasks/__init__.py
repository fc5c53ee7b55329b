"""Tasks: classes to learn, their data, and the scores of a model's predictions."""
