"""How a running search is shown: in a terminal, as lines, in a notebook."""
