"""What runs inside one trial: fine-tune, evaluate, measure, write the result."""
