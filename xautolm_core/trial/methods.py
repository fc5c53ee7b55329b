"""Fine-tuning methods: which parameters are trained."""

from __future__ import annotations

import warnings
from typing import Any

from xautolm_core.trial.architectures import backbone
from xautolm_core.trial.architectures import block_lists
from xautolm_core.trial.architectures import has_transposed_layers
from xautolm_core.trial.architectures import head_module_names
from xautolm_core.trial.architectures import head_parameter_names
from xautolm_core.trial.architectures import linear_layers
from xautolm_core.trial.architectures import lora_targets
from xautolm_core.trial.failures import InvalidConfiguration
from xautolm_core.trial.hyperparameters import HyperParameters
from xautolm_core.trial.models import CLASSIFIER_CLASS
from xautolm_core.trial.models import SPAN_CLASS

# What peft calls the only adapter of a model.
_ADAPTER = "default"
# Classes that put a new head on a model, which is trained beside all that a method trains.
_WITH_NEW_HEAD = (CLASSIFIER_CLASS, SPAN_CLASS)
# Kinds of models that peft wraps in a way of their own. That of question answering loses segment
# ids, so that it is wrapped as any other model.
_PEFT_TASKS = {CLASSIFIER_CLASS: "SEQ_CLS"}


def apply_method(
    model: Any, parameters: HyperParameters, auto_class: str = CLASSIFIER_CLASS
) -> Any:
    """Return the model with the parameters of the method trainable and all others frozen.

    ``full`` trains everything; ``head`` the head with the pooler; ``partial`` the
    head and the last blocks, of encoder and decoder alike, and everything if there are no more
    blocks than that (the paper, arXiv 2508.00924, trains the rest too then); ``lora`` the head and
    low-rank updates of the attention, wrapped by peft.

    Args:
        model: The model.
        parameters: The method, and what it wants to know.
        auto_class: Name of the class of ``transformers`` that put the head on the model.

    Raises:
        InvalidConfiguration: The method does not fit the model.
    """
    match parameters.method:
        case "full":
            return model
        case "head":
            _freeze_all_but(model, head_parameter_names(model))
            return model
        case "partial":
            _apply_partial(model, parameters.num_trainable_layers, auto_class in _WITH_NEW_HEAD)
            return model
        case "lora":
            return _apply_lora(model, parameters, auto_class)
    raise InvalidConfiguration(f"Unknown method '{parameters.method}'")


def merge(model: Any) -> Any:
    """Return the model as a plain transformers model, LoRA's updates merged into the weights."""
    if hasattr(model, "merge_and_unload"):
        return model.merge_and_unload()
    return model


def plain_weights(model: Any) -> tuple[Any, dict[str, Any]]:
    """Return the plain transformers model and its weights, with LoRA's updates added to a copy.

    The model itself is left as it is, so that it can be trained on.
    """
    if not hasattr(model, "get_base_model"):
        return model, model.state_dict()
    base = model.get_base_model()
    adapted = {
        f"{name}.weight": layer
        for name, layer in base.named_modules()
        if hasattr(layer, "get_delta_weight")
    }
    weights = {}
    for name, tensor in base.state_dict().items():
        if ".lora_" in name or ".original_module." in name:
            continue
        plain = name.replace(f".modules_to_save.{_ADAPTER}.", ".").replace(".base_layer.", ".")
        layer = adapted.get(plain)
        weights[plain] = tensor if layer is None else _adapted_weight(tensor, layer)
    return base, weights


def _adapted_weight(weight: Any, layer: Any) -> Any:
    """Return the weight that a layer of LoRA or DoRA (arXiv 2402.09353) comes to."""
    adapted = weight + layer.get_delta_weight(_ADAPTER)
    if _ADAPTER not in getattr(layer, "lora_magnitude_vector", {}):
        return adapted
    # A length for each output, and the direction of the weights that make it.
    transposed = getattr(layer, "fan_in_fan_out", False)
    directions = adapted.T if transposed else adapted
    lengths = layer.lora_magnitude_vector[_ADAPTER].weight / directions.norm(dim=1)
    found = directions * lengths.unsqueeze(1)
    return found.T if transposed else found


def checkpoint_gradients(model: Any) -> None:
    """Let a model compute its activations again for the gradient, rather than keep them.

    Raises:
        InvalidConfiguration: The architecture cannot.
    """
    try:
        # Its older name works with all versions of transformers 5.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            model.gradient_checkpointing_enable({"use_reentrant": False})
    except ValueError as error:
        raise InvalidConfiguration("The model cannot compute its activations again") from error


def _freeze_all_but(model: Any, names: set[str]) -> None:
    if not names:
        raise InvalidConfiguration("The model has no head of its own")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in names)


def _apply_partial(model: Any, layers: int, has_new_head: bool) -> None:
    stacks = block_lists(backbone(model))
    if not stacks:
        raise InvalidConfiguration("The model's blocks cannot be identified")
    if layers > max(len(stack) for stack in stacks):
        return
    if has_new_head:
        _freeze_all_but(model, head_parameter_names(model))
    else:
        model.requires_grad_(False)
    for stack in stacks:
        for block in list(stack)[-layers:]:
            block.requires_grad_(True)


def _apply_lora(model: Any, parameters: HyperParameters, auto_class: str) -> Any:
    from peft import LoraConfig
    from peft import get_peft_model

    if parameters.init_lora_weights == "loftq":
        raise InvalidConfiguration("LoftQ initialises LoRA on a quantised model; this one is not")
    config = LoraConfig(
        task_type=_PEFT_TASKS.get(auto_class),
        r=parameters.lora_r,
        lora_alpha=parameters.lora_alpha,
        lora_dropout=parameters.lora_dropout,
        bias=parameters.lora_bias,
        init_lora_weights=parameters.init_lora_weights or True,
        fan_in_fan_out=has_transposed_layers(model),
        use_rslora=parameters.lora_variant == "rslora",
        use_dora=parameters.lora_variant == "dora",
        target_modules=(
            linear_layers(model) if parameters.lora_targets == "all-linear" else lora_targets(model)
        ),
        modules_to_save=head_module_names(model) if auto_class in _WITH_NEW_HEAD else None,
    )
    try:
        with warnings.catch_warnings():
            # peft corrects fan_in_fan_out by itself for models that mix both kinds of layers.
            warnings.simplefilter("ignore")
            return get_peft_model(model, config)
    except (ValueError, TypeError, RuntimeError, AttributeError) as error:
        if isinstance(error, RuntimeError) and "alloc" in str(error).lower():
            raise
        raise InvalidConfiguration("LoRA cannot be applied to this model") from error
