"""The colour of each outcome in reports."""

from __future__ import annotations

from collections.abc import Mapping

from xautolm_core.records.outcome import Outcome

# Okabe and Ito's palette, darkened where white text or a thin bar needs it.
OUTCOME_COLOURS: Mapping[Outcome, str] = {
    Outcome.OK: "#0072b2",
    Outcome.PRUNED: "#56b4e9",
    Outcome.TIMEOUT: "#e69f00",
    Outcome.OOM_HOST: "#b34700",
    Outcome.OOM_GPU: "#7a3000",
    Outcome.DIVERGED: "#cc79a7",
    Outcome.INVALID: "#8a4f7d",
    Outcome.INFRA: "#6b6b6b",
    Outcome.PREEMPTED: "#9a9a9a",
    Outcome.CANCELLED: "#c4c4c4",
}
