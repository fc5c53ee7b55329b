"""The tests are a package, so that tests/pipelines is not taken for pipelines."""
