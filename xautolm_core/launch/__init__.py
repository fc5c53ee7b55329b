"""Launchers: run a trial spec as a process or a pod, and turn its end into a result."""
