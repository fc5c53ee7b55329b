"""The parts of what every experience store must do."""
