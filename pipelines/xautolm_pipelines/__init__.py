"""The search and the retraining as Kubeflow pipelines, and the command that runs them.

Only this package and ``xautolm_components`` know Kubeflow Pipelines; the core does not.
"""
