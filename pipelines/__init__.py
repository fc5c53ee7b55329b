"""Kubeflow pipelines composed of the components, and what talks to a KFP endpoint."""
