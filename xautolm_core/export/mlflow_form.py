"""``--to mlflow``: a self-contained model of MLflow's, for every kind of model."""

from __future__ import annotations

from xautolm_core.export.forms import SERVICE_OPTIONS
from xautolm_core.export.forms import Exported
from xautolm_core.export.forms import ExportOptions
from xautolm_core.export.found_model import FoundModel


def export(model: FoundModel, options: ExportOptions) -> Exported:
    """Write a model as MLflow's pyfunc.

    Raises:
        ConfigError: Its other form would not answer as it does.
        MissingExtraError: MLflow, or what the model needs, is not installed.
        OSError: It cannot be written.
    """
    from xautolm_core.tracking.pyfunc import save_pyfunc

    options.refuse("mlflow", *SERVICE_OPTIONS)
    agreement = save_pyfunc(model.folder, options.out)
    return Exported(
        options.out,
        (
            f"{agreement.rows} texts get the same classes as from the original, probabilities "
            f"within {agreement.largest_difference:.1e}; serve it with: mlflow models serve -m "
            f"{options.out}",
        ),
    )
