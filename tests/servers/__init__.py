"""Real servers that tests start, and what stands between them and a client."""
