"""The object interface: put, get, list and delete over a folder or S3."""
