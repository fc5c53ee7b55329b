"""Launchers: they turn a trial spec into a process or a pod, and its end into a result."""
