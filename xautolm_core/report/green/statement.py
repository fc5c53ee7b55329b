"""The first lines of a Green AI report, and the list of what it does not include."""

from __future__ import annotations

from collections.abc import Sequence

from xautolm_core.report.green.assumptions import Basis
from xautolm_core.report.green.attempts import GPU_DEVICE
from xautolm_core.report.green.attempts import Attempt
from xautolm_core.report.green.sums import EnergySum
from xautolm_core.report.green.sums import is_unmetered
from xautolm_core.report.wording import count_words
from xautolm_core.report.wording import share_words

BOUNDARY = (
    "Training and evaluation of every trial, failed, pruned and cancelled ones included.",
    "Graphics processors, the processor and memory, each by the best source that answered.",
)
LEFT_OUT = (
    "Start-up of trials, loading and tokenising data, saving models.",
    "The search itself (meta-features, sampling) and the final test.",
    "Network, storage, power supplies; cooling and losses of the building, unless a PUE is given.",
    "Machines that wait between trials.",
    "Use of the models once they are chosen; making of the pretrained models.",
    "Experiences that were forgotten or deleted by a retention rule, and imported ones.",
)


def first_lines(
    attempts: Sequence[Attempt], by_quality: dict[str, EnergySum], basis: Basis
) -> list[str]:
    """Return the limits of the figures, to be shown first.

    Args:
        attempts: All of the report.
        by_quality: Quality class to its joules.
        basis: What joules are turned into grams with.
    """
    return [
        *_quality_lines(attempts, by_quality),
        *_gap_lines(attempts),
        *_basis_lines(basis, has_energy=bool(by_quality)),
    ]


def _quality_lines(attempts: Sequence[Attempt], by_quality: dict[str, EnergySum]) -> list[str]:
    if not by_quality:
        return ["No energy could be read: joules, carbon and their cost are unknown, not 0."]
    whole = sum(one.joules for one in by_quality.values())
    modelled = by_quality.get("C")
    if modelled is None:
        return []
    share = modelled.joules / whole
    part = "All joules are" if share == 1 else f"{share_words(share)} of the joules are"
    lines = [
        f"{part} of class C (±40 %): computed from load and thermal design power, or a share of "
        "sampled power; no energy counter could be read for them."
    ]
    blind = sum(
        a.device == GPU_DEVICE and a.has_worked and all(r.component != "gpu" for r in a.energy)
        for a in attempts
    )
    if blind:
        lines.append(f"The GPU could not be read in {count_words(blind, 'attempt')}.")
    return lines


def _gap_lines(attempts: Sequence[Attempt]) -> list[str]:
    lines = []
    unmetered = sum(map(is_unmetered, attempts))
    if unmetered:
        lines.append(
            f"{count_words(unmetered, 'attempt')} of {len(attempts)} trained without any reading: "
            "what they used is missing in all sums."
        )
    dropped = sum(attempt.dropped_readings for attempt in attempts)
    if dropped:
        lines.append(
            f"{count_words(dropped, 'reading')} that cannot be (nothing, negative or not finite) "
            "were left out."
        )
    return lines


def _basis_lines(basis: Basis, *, has_energy: bool) -> list[str]:
    lines = []
    if basis.location is None:
        if has_energy:
            lines.append("No carbon: the zone of the grid is not given (--zone).")
        return lines
    if basis.location.is_stale:
        lines.append("The carbon intensity is the last one known: its feed was down.")
    if basis.market is None:
        lines.append("No market-based figure: what was contracted is not known.")
    if basis.pue is None:
        lines.append("PUE is not given: carbon is that of the machines alone (factor 1).")
    if basis.embodied is None:
        lines.append(
            "No embodied carbon and so no SCI (ISO/IEC 21031): nothing is known of the hardware's "
            "making."
        )
    return lines
