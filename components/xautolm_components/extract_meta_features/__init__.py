"""Component extract_meta_features."""
