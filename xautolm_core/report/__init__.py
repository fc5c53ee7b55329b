"""Reports: the result folder, the HTML page, the model card."""
