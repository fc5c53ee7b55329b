"""The steps of a pipeline as plain functions; the Kubeflow components call them."""
