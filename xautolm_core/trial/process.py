"""Settings of the whole process of a trial, made before anything else."""

from __future__ import annotations

import logging
import os
import random

import numpy as np


def prepare_process(threads: int, seed: int) -> None:
    """Set threads of libraries, then seeds, and keep libraries quiet; torch is not touched."""
    # Read by the tokenizers' Rust threads when the first text is encoded.
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
    random.seed(seed)
    np.random.seed(seed % 2**32)
    for name in ("transformers", "peft", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
