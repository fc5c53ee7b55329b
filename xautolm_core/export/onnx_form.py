"""``--to onnx``: a folder with ``model.onnx``, the tokenizer and the cards."""

from __future__ import annotations

from xautolm_core.errors import MissingExtraError
from xautolm_core.export.forms import SERVICE_OPTIONS
from xautolm_core.export.forms import Exported
from xautolm_core.export.forms import ExportOptions
from xautolm_core.export.found_model import FoundModel
from xautolm_core.export.found_model import require_language_model


def export(model: FoundModel, options: ExportOptions) -> Exported:
    """Write a language model as ONNX.

    Raises:
        ConfigError: It is no language model, or its ONNX form would not answer as it does.
        MissingExtraError: A package is missing.
        OSError: It cannot be written.
    """
    options.refuse("onnx", *SERVICE_OPTIONS)
    require_language_model(model, "onnx")
    try:
        from xautolm_core.trial.to_onnx import export_onnx
    except ImportError as error:
        raise MissingExtraError("trial", "Exporting a language model") from error
    found = export_onnx(model.folder, options.out)
    return Exported(
        options.out,
        (
            f"ONNX, operator set {found.opset}; {found.agreement.rows} texts get the same classes "
            f"as from the original, probabilities within {found.agreement.largest_difference:.1e}",
        ),
    )
