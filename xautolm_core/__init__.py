"""xautolm: AutoML for language models that remembers."""

__version__ = "0.1.0.dev0"
