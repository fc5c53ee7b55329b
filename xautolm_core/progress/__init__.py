"""Views of a running search: in a terminal, as lines, in a notebook."""
