"""Text generation: rendering, training, decoding, answering."""
