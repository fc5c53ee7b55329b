"""The search and the retraining as Kubeflow pipelines, and the command that runs them.

Only this package and ``components`` know Kubeflow Pipelines; ``xautolm_core`` knows neither.
"""
