"""The tests are a package: its parts have the names of what they test."""
