"""Builds the model of a trial: from a folder, from the hub, or with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from xautolm_core.space.architectures import first_blocks
from xautolm_core.space.classifiers import misfit
from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.spec import TaskType
from xautolm_core.trial.architectures import set_dropout
from xautolm_core.trial.encoding import TokenizerTraits
from xautolm_core.trial.failures import InvalidConfiguration

CLASSIFIER_CLASS = "AutoModelForSequenceClassification"
SPAN_CLASS = "AutoModelForQuestionAnswering"
"""Names of the classes of ``transformers`` that put a head on a model."""


def architecture_of(model: ModelReference) -> str:
    """Return the ``model_type`` of a model's config.

    Raises:
        InvalidConfiguration: There is no such architecture.
        OSError: The config cannot be had.
    """
    return str(_read_config(model).model_type)


def load_config(
    model: ModelReference,
    labels: Sequence[str],
    traits: TokenizerTraits,
    dropout_rate: float | None,
    problem_type: str | None = "single_label_classification",
) -> Any:
    """Return the model's config, made ready for a new head.

    Args:
        model: The model.
        labels: Names of a new head's outputs in their order, such as the classes; none where the
            model keeps the head that it was pretrained with.
        traits: Of its tokenizer.
        dropout_rate: Probability of dropout everywhere; None leaves the model's own.
        problem_type: What kind of classification the head is for; None for no such one.

    Raises:
        InvalidConfiguration: There is no such architecture, or its values do not fit together.
        OSError: The config cannot be had.
    """
    config = _read_config(model)
    if model.untrained_config is not None:
        _adopt_tokenizer(config, traits)
    if labels:
        names = [str(label) for label in labels]
        config.num_labels = len(names)
        config.id2label = dict(enumerate(names))
        config.label2id = {name: i for i, name in enumerate(names)}
        config.problem_type = problem_type
        config.use_cache = False
    # Decoders find the last token by it, and many come without one.
    config.pad_token_id = config.get_text_config().pad_token_id = traits.pad_id
    if dropout_rate is not None:
        set_dropout(config, dropout_rate)
    return config


def _read_config(model: ModelReference) -> Any:
    """Return a model's config as it is.

    Raises:
        InvalidConfiguration: There is no such architecture, or its values do not fit together.
        OSError: The config cannot be had.
    """
    from transformers import AutoConfig

    try:
        if model.untrained_config is not None:
            values = {k: v for k, v in model.untrained_config.items() if k != "model_type"}
            config = AutoConfig.for_model(str(model.untrained_config["model_type"]), **values)
        else:
            config = AutoConfig.from_pretrained(
                model.source,
                revision=None if model.path else model.revision,
                local_files_only=model.path is not None,
                trust_remote_code=False,
            )
            if model.blocks is not None:
                # Loading takes the weights of these blocks alone.
                config = type(config).from_dict(first_blocks(config.to_dict(), model.blocks))
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidConfiguration("The model's architecture cannot be configured") from error
    return config


def check_fit(config: Any, method: str, task_type: str = TaskType.TEXT_CLASSIFICATION) -> None:
    """Make sure that a method fits an architecture, for a type of task.

    Raises:
        InvalidConfiguration: It does not.
    """
    reason = misfit(config.model_type, method, task_type)
    if reason is not None:
        raise InvalidConfiguration(f"Method '{method}' does not fit the model: {reason}")


def load_model(model: ModelReference, config: Any, auto_class: str = CLASSIFIER_CLASS) -> Any:
    """Return the model in float32 on the CPU; a new head has random weights.

    Args:
        model: The model.
        config: Its config, see ``load_config``.
        auto_class: Name of the class of ``transformers`` that puts the head on it.

    Raises:
        InvalidConfiguration: There is no such head for it, or its weights do not fit.
        OSError: The weights cannot be had.
    """
    import transformers

    builder = getattr(transformers, auto_class)
    try:
        if model.untrained_config is not None:
            return builder.from_config(config, dtype=torch.float32)
        return builder.from_pretrained(
            model.source,
            config=config,
            revision=None if model.path else model.revision,
            local_files_only=model.path is not None,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidConfiguration("The model cannot be built with such a head") from error


def check_vocabulary(model: Any, traits: TokenizerTraits) -> None:
    """Ensure that the model's vocabulary has all tokens of its batches.

    Raises:
        InvalidConfiguration: It does not.
    """
    known = int(model.get_input_embeddings().weight.shape[0])
    highest = max([traits.pad_id, *traits.special_ids.values()])
    if highest >= known:
        raise InvalidConfiguration("The tokenizer has tokens that the model does not have")


def load_backbone(model: ModelReference, config: Any) -> Any:
    """Return the model without a head, in float32 on the CPU, for reading alone.

    Raises:
        InvalidConfiguration: There is no such model, or its weights do not fit.
        OSError: The weights cannot be had.
    """
    from transformers import AutoModel

    try:
        if model.untrained_config is not None:
            backbone = AutoModel.from_config(config, dtype=torch.float32)
        else:
            backbone = AutoModel.from_pretrained(
                model.source,
                config=config,
                revision=None if model.path else model.revision,
                local_files_only=model.path is not None,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
            )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidConfiguration("The model cannot be built without a head") from error
    return backbone.eval()


def _adopt_tokenizer(config: Any, traits: TokenizerTraits) -> None:
    """Give a config with random weights the vocabulary of the tokenizer that was trained for it."""
    config.vocab_size = traits.vocabulary
    ids = traits.special_ids
    config.pad_token_id = traits.pad_id
    config.bos_token_id = ids.get("bos", ids.get("cls"))
    config.eos_token_id = ids.get("eos", ids.get("sep"))
    if getattr(config, "is_encoder_decoder", False):
        # BART starts its decoder with the end token, T5 with padding.
        start = config.eos_token_id if config.model_type == "bart" else config.pad_token_id
        config.decoder_start_token_id = start
