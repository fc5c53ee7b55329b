"""Models in other forms: for MLflow, for ONNX runtimes, as services on KServe."""
