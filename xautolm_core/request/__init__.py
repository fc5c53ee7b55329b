"""From what a user writes (10m, 0.5kWh, reviews.csv) to a checked search."""
