"""Energy of a trial in joules, each reading with source and quality; its carbon and cost."""
