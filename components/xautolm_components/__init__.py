"""Kubeflow Pipelines components: bodies of one or two lines that call ``xautolm_core.steps``."""
