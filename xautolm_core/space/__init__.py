"""The search space: models, fine-tuning methods, their hyper-parameters and what they cost."""
