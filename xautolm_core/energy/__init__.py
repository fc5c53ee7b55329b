"""Energy of a trial in joules, each reading with its source and quality; carbon and cost of it."""
