"""The last step of a run: tells how it ended, whatever the end."""

from __future__ import annotations


def tell_end(*args):
    print(args)
