"""The tokenizer of a trial's model: the model's own, or one trained on the task."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.task import AnyTask
from xautolm_core.tasks.task_type import task_kind
from xautolm_core.trial.encoding import TOKENIZER_FILE
from xautolm_core.trial.encoding import TokenizerTraits
from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.locking import make_folder_once

TRAITS_FILE = "xautolm-tokenizer.json"
# These read a sequence from [CLS] to [SEP], in lower case; the others one from <s> to </s>.
UNCASED_ARCHITECTURES = frozenset(
    {"bert", "distilbert", "electra", "mobilebert", "convbert", "squeezebert", "mpnet", "albert"}
)
_UNCASED_MARKS = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]"}
# In this order, because RoBERTa, BART and T5 count on the padding token having a low id.
_CASED_MARKS = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>"}
_TRAINING_ROWS = 50_000
_DEFAULT_VOCABULARY = 8_000
# transformers writes 1e30 where a tokenizer knows no limit.
_NO_LIMIT = 1_000_000
_ROLES = ("bos", "eos", "pad", "cls", "sep")


@dataclass(frozen=True)
class TokenizerFolder:
    """A tokenizer in the cache.

    Attributes:
        path: Folder with ``tokenizer.json`` and what ``AutoTokenizer`` needs.
        key: Identifies its content.
        traits: The traits that batches need.
    """

    path: Path
    key: str
    traits: TokenizerTraits

    def copy_to(self, folder: Path) -> None:
        """Copy the files that ``AutoTokenizer`` needs."""
        for file in self.path.iterdir():
            if file.name != TRAITS_FILE:
                shutil.copyfile(file, folder / file.name)


def open_tokenizer(
    model: ModelReference, task: AnyTask, task_key: str, cache_folder: Path
) -> TokenizerFolder:
    """Return the tokenizer of a model, from the cache where it has been used before.

    Args:
        model: The model; its tokenizer is trained on the task's training split if the model is an
            untrained architecture.
        task: The task.
        task_key: Name of the prepared task's folder: it identifies rows, order and splits.
        cache_folder: The trials' common cache.

    Raises:
        InvalidConfiguration: The model has no tokenizer that can be used.
        OSError: The model cannot be had.
    """
    key = _tokenizer_key(model, task_key)
    folder = cache_folder / "tokenizers" / key
    if not folder.is_dir():

        def fill(target: Path) -> None:
            if model.untrained_config is not None:
                tokenizer = _train(model.untrained_config, task)
            else:
                tokenizer = _load(model)
            _write(tokenizer, target)

        make_folder_once(folder, fill)
    traits = TokenizerTraits.model_validate_json((folder / TRAITS_FILE).read_bytes())
    return TokenizerFolder(folder, key, traits)


def _tokenizer_key(model: ModelReference, task_key: str) -> str:
    if model.untrained_config is not None:
        kind = _kind(model.untrained_config)
        parts = ["trained", kind, str(_vocabulary_limit(model.untrained_config)), task_key]
    elif model.digest:
        parts = ["digest", model.digest]
    elif model.path is not None:
        file = Path(model.path) / TOKENIZER_FILE
        known = file.stat() if file.is_file() else None
        stamp = "" if known is None else f"{known.st_size}:{known.st_mtime_ns}"
        parts = ["path", model.path, stamp]
    else:
        parts = ["hub", model.source, model.revision or ""]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _load(model: ModelReference) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            model.source,
            revision=None if model.path else model.revision,
            local_files_only=model.path is not None,
            trust_remote_code=False,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidConfiguration("The model's tokenizer cannot be loaded") from error
    if not tokenizer.is_fast:
        raise InvalidConfiguration("The model has no tokenizer of the fast kind")
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        # transformers makes an empty tokenizer where a folder has a config alone.
        raise InvalidConfiguration("The model comes without a vocabulary")
    if tokenizer.pad_token is None:
        # Decoders were pretrained without padding; the attention mask hides the token anyway.
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        if tokenizer.pad_token is None:
            raise InvalidConfiguration("The model's tokenizer has no token to pad with")
    return tokenizer


def _write(tokenizer: Any, folder: Path) -> None:
    """Save a tokenizer, free of any truncation and padding, and its traits."""
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.save_pretrained(folder)
    limit = tokenizer.model_max_length
    ids = {role: getattr(tokenizer, f"{role}_token_id", None) for role in _ROLES}
    traits = TokenizerTraits(
        pad_id=tokenizer.pad_token_id,
        padding_side=tokenizer.padding_side,
        uses_types="token_type_ids" in tokenizer.model_input_names,
        max_length=int(limit) if limit and limit < _NO_LIMIT else None,
        vocabulary=len(tokenizer),
        special_ids={role: int(i) for role, i in ids.items() if i is not None},
    )
    (folder / TRAITS_FILE).write_text(json.dumps(traits.model_dump(), indent=2), encoding="utf-8")


def _kind(config: Mapping[str, Any]) -> str:
    return "uncased" if config.get("model_type") in UNCASED_ARCHITECTURES else "cased"


def _vocabulary_limit(config: Mapping[str, Any]) -> int:
    return int(config.get("vocab_size", _DEFAULT_VOCABULARY))


def _train(config: Mapping[str, Any], task: AnyTask) -> Any:
    """Train a tokenizer on the training split: byte-level BPE, the same for the same texts.

    (A WordPiece of the ``tokenizers`` library would not be: it numbers its tokens in the order of a
    hash table.)
    """
    from tokenizers import Tokenizer
    from tokenizers import decoders
    from tokenizers import models
    from tokenizers import normalizers
    from tokenizers import pre_tokenizers
    from tokenizers import processors
    from tokenizers import trainers
    from transformers import PreTrainedTokenizerFast

    uncased = _kind(config) == "uncased"
    marks = _UNCASED_MARKS if uncased else _CASED_MARKS
    start, end = (marks["cls"], marks["sep"]) if uncased else (marks["bos"], marks["eos"])
    tokenizer = Tokenizer(models.BPE(unk_token=marks["unk"]))
    if uncased:
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=max(_vocabulary_limit(config), len(alphabet) + len(marks)),
        special_tokens=list(marks.values()),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_training_texts(task), trainer)
    second = f"$B:1 {end}:1" if uncased else f"{end} $B {end}"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} {second}",
        special_tokens=[(mark, tokenizer.token_to_id(mark)) for mark in (start, end)],
    )
    inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_input_names=[*inputs, "token_type_ids"] if uncased else inputs,
        padding_side="right",
        **{f"{role}_token": mark for role, mark in marks.items()},
    )


def _training_texts(task: AnyTask) -> Iterator[list[str]]:
    """Yield texts of the training split, in batches, evenly spread over it."""
    import numpy as np

    rows = len(task.train)
    taken = np.unique(np.linspace(0, rows - 1, min(rows, _TRAINING_ROWS)).astype(np.int64))
    for column in task_kind(task.type).texts(task.train):
        for start in range(0, len(taken), 1_000):
            # 2,000 characters of a text say enough of its words.
            texts = column.take(taken[start : start + 1_000]).to_pylist()
            yield [t[:2_000] for t in texts]
