"""Folders of models as trials save them, made without any training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.trial.tiny import make_task
from tests.trial.tiny import tiny_model
from xautolm_core.records.configuration import Configuration
from xautolm_core.trial.agreement import sample_texts
from xautolm_core.trial.contract import MODEL_CARD_FILE
from xautolm_core.trial.models import load_config
from xautolm_core.trial.models import load_model
from xautolm_core.trial.saving import make_card
from xautolm_core.trial.tokenizer import open_tokenizer
from xautolm_core.whole_files import write_json


def save_untrained(
    folder: Path, cache: Path, architecture: str = "bert", *, pairs: bool = False
) -> Path:
    """Save a tiny language model whose random weights tell texts apart, and return its folder."""
    import torch

    torch.manual_seed(3)
    task = make_task(rows=24, held_out=12, pairs=pairs)
    reference = tiny_model(architecture)
    tokenizer = open_tokenizer(reference, task, "task", cache)
    model = load_model(reference, load_config(reference, task.labels, tokenizer.traits, None))
    _spread_answers(model.eval(), tokenizer.path, pairs=pairs)
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    tokenizer.copy_to(folder)
    configuration = Configuration(
        branch="encoder-full", model=reference.id, method="full", parameters={"max_length": 48}
    )
    card = make_card(
        task,
        configuration=configuration,
        max_length=48,
        precision="float32",
        tokenizer=tokenizer,
        has_pairs=pairs,
    )
    write_json(folder / MODEL_CARD_FILE, card)
    return folder


def _spread_answers(model: Any, tokenizer: Path, *, pairs: bool) -> None:
    """Let a head with random weights give each class to some texts: it would give one to all."""
    import torch
    from transformers import AutoTokenizer

    # Texts as the model gets them: many architectures read the first token alone, always the same.
    samples = sample_texts(has_pairs=pairs, rows=200)
    texts = [list(one) for one in (samples.texts, samples.text_pairs) if one is not None]
    encoded = AutoTokenizer.from_pretrained(tokenizer, local_files_only=True)(
        *texts, padding=True, truncation=True, max_length=48, return_tensors="pt"
    )
    last = [one for one in model.modules() if isinstance(one, torch.nn.Linear)][-1]
    with torch.no_grad():
        logits = model(
            input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]
        ).logits
        scale = 1.0 / logits.std(0).mean()
        last.weight.mul_(scale)
        if last.bias is not None:
            last.bias.copy_(scale * (last.bias - logits.mean(0)))


def save_tfidf(folder: Path, *, pairs: bool = False, marker: str = "") -> Path:
    """Save a linear model on TF-IDF, and return its folder.

    Args:
        folder: The folder to make.
        pairs: Whether it answers to pairs.
        marker: A word of all its training texts.
    """
    from xautolm_core.trial.linear.parts import LinearPart
    from xautolm_core.trial.linear.regression import Setting
    from xautolm_core.trial.linear.regression import fit
    from xautolm_core.trial.linear.saving import write_parts
    from xautolm_core.trial.linear.tfidf import documents_of
    from xautolm_core.trial.linear.tfidf import fit_tfidf

    task = make_task(rows=60, held_out=12, pairs=pairs)
    documents = [f"{text} {marker}".strip() for text in documents_of(task.train)]
    tfidf, features = fit_tfidf(documents)
    model = fit(features, task.train.labels, 3, Setting(strength=3.0))
    folder.mkdir(parents=True)
    write_parts(folder, [LinearPart("tfidf", tfidf, model)])
    card = make_card(
        task,
        configuration=Configuration(branch="tfidf", method="tfidf", parameters={}),
        has_pairs=pairs,
    )
    write_json(folder / MODEL_CARD_FILE, card)
    return folder
