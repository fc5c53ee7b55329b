"""Trials as Kubernetes Jobs, one pod each. The one room that imports the kubernetes client."""
