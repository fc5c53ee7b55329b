"""The Green AI report that a search leaves where the user's assumptions are known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xautolm_core.report.green.assumptions import Basis


def assumed_basis(
    *,
    zone: str | None = None,
    intensities: Path | None = None,
    grams_per_kwh: float | None = None,
    pue: float | None = None,
) -> Basis | None:
    """Return the figures of options and ``$XAUTOLM_ASSUMPTIONS``; None if nothing is given.

    Args:
        zone: Of the grid.
        intensities: Table of intensities.
        grams_per_kwh: In place of a table.
        pue: Of the data centre.

    Raises:
        ConfigError: They are wrong: better told before a search than after it.
    """
    from xautolm_core.request.basis import ASSUMPTIONS_VARIABLE
    from xautolm_core.request.basis import basis_of

    given = (zone, intensities, grams_per_kwh, pue)
    if all(one is None for one in given) and not os.environ.get(ASSUMPTIONS_VARIABLE):
        return None
    return basis_of(None, zone=zone, intensities=intensities, grams_per_kwh=grams_per_kwh, pue=pue)


def report_run(folder: Path, basis: Basis) -> None:
    """Write the report of a search to its run folder, and the CO2e to its model card.

    A search is worth more than its report: what goes wrong is a warning.

    Args:
        folder: Of the run.
        basis: What joules are turned into grams with.
    """
    from xautolm._report import report_with
    from xautolm_core.cli.output import warn
    from xautolm_core.cli.store_options import warn_of_faults
    from xautolm_core.errors import XautolmError
    from xautolm_core.report.green.card import write_emissions

    try:
        made = report_with(basis, folder)
        warn_of_faults(made.skipped)
        made.save(folder)
        problem = write_emissions(made.figures, folder)
    except XautolmError as error:
        problem = f"no Green AI report: {error}"
    if problem:
        warn(problem)
