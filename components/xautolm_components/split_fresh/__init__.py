"""Component split_fresh."""
