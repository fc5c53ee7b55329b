"""Whether limits of spending leave room for one trial, as far as experiences tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

from xautolm_core.errors import ConfigError
from xautolm_core.experience.columns import SECONDS
from xautolm_core.experience.segment import join_tables
from xautolm_core.experience.view import SegmentGoneError
from xautolm_core.records.methods import CHEAP_METHODS
from xautolm_core.records.methods import FINE_TUNING_METHODS
from xautolm_core.records.methods import METHODS
from xautolm_core.records.outcome import Outcome
from xautolm_core.search.samplers.factory import learns_from_history
from xautolm_core.search.spending import Use
from xautolm_core.search.spending import limit_shares

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Mapping

    import pyarrow as pa

    from xautolm_core.experience.view import StoreView
    from xautolm_core.search.contract import SearchSpec
    from xautolm_core.search.opening import Opening
    from xautolm_core.search.spending import SpendingLimits

_METHOD = "configuration.method"
_WORDS = ("id", "tenant", "outcome", "device", "task_name", "task_type", "energy", _METHOD)
# Before its process ran, a trial held nothing.
_NOT_HELD = SECONDS + "startup"
_TRIES = 3
_MOST = 20_000
"""Trials that are looked at: half a second's work, and as good an estimate as that of a million."""


@dataclass(frozen=True)
class Past:
    """Trials that ended well on such a machine.

    Attributes:
        of_task: Whether they are of the task itself; else they are of its kind.
        uses: What each has used.
    """

    of_task: bool
    uses: tuple[Use, ...]


def require_affordable(spec: SearchSpec, opening: Opening) -> dict[str, float]:
    """Refuse limits that the cheapest known trial would go beyond; return its share of each.

    Trials of the own store count, those of the same task if there are any: those of language models
    where the space has some, for the cheap candidates fit into almost any limit. A search that does
    not look at history is not held to it.

    Args:
        spec: What is asked.
        opening: What was opened for it.

    Returns:
        Limits to shares, at most 1; nothing is known of those that are absent.

    Raises:
        ConfigError: A limit leaves no room for one trial; with the estimate.
        StoreError: The store cannot be read.
    """
    learns = learns_from_history(spec.sampler, spec.sampler_options)
    if not spec.spending.is_limited or not learns:
        return {}
    past = _past(spec, opening)
    limits = spec.spending
    found = cheapest_shares(limits, past)
    for name, share in found.items():
        if share <= 1:
            continue
        most, unit = _limit(limits, name)
        whose = f"task {opening.task.name}" if past.of_task else "tasks of this kind"
        raise ConfigError(
            f"a limit of {most:g} {unit} leaves no room for one trial: the cheapest of"
            f" {len(past.uses)} of {whose} used {most * share:.3g} {unit}",
            hint="Give more, or leave history aside (--cold)",
        )
    return found


def cheapest_shares(limits: SpendingLimits, past: Past) -> dict[str, float]:
    """Return which share of each limit the cheapest trial used; what no trial tells is absent."""
    found: dict[str, float] = {}
    for use in past.uses:
        for name, share in limit_shares(limits, use).items():
            if use.joules is not None or name not in ("energy", "carbon"):
                found[name] = min(found.get(name, share), share)
    return found


def past_of(
    view: StoreView,
    *,
    tenant: str | None,
    device: str,
    task_name: str,
    task_type: str,
    methods: Collection[str] = METHODS,
) -> Past:
    """Return the trials of a store that ended well: of a task, or of its kind if there are none.

    Args:
        view: The store.
        tenant: Whose; anybody's if None.
        device: That they ran on: ``cpu`` or ``cuda``.
        task_name: The task.
        task_type: Its kind.
        methods: Only trials of these.

    Raises:
        SegmentGoneError: The view is too old: open another one.
    """
    tables = []
    wanted = {"outcome": Outcome.OK.value, "device": device, "task_type": task_type}
    if tenant is not None:
        wanted["tenant"] = tenant
    for segment in view.segments:
        names = [n for n in segment.open().column_names if n in _WORDS or n.startswith(SECONDS)]
        tables.append(_matching(segment.table(names), wanted))
    if view.tail.num_rows:
        names = [n for n in view.tail.column_names if n in _WORDS or n.startswith(SECONDS)]
        tables.append(_matching(view.tail.select(names), wanted))
    if not tables:
        return Past(False, ())
    of_kind = _among(join_tables(tables), _METHOD, methods)
    own = _uses(_matching(of_kind, {"task_name": task_name}), view.hidden)
    return Past(True, own) if own else Past(False, _uses(of_kind, view.hidden))


def _past(spec: SearchSpec, opening: Opening) -> Past:
    for _ in range(_TRIES):
        try:
            return past_of(
                opening.store.own.view(),
                tenant=None if spec.all_tenants else spec.tenant,
                device=opening.device,
                task_name=opening.task.name,
                task_type=opening.task.type.value,
                methods=FINE_TUNING_METHODS if opening.space.branches else CHEAP_METHODS,
            )
        except SegmentGoneError:
            continue
    return Past(False, ())  # somebody compacts all the time; an estimate is worth no more


def _matching(table: pa.Table, wanted: Mapping[str, str]) -> pa.Table:
    import pyarrow.compute as pc

    for name, word in wanted.items():
        column = table[name].cast("string")
        if name == "tenant":
            column = pc.fill_null(column, "default")
        table = table.filter(pc.fill_null(pc.equal(column, word), False))
    return table


def _among(table: pa.Table, name: str, values: Collection[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.is_in(table[name].cast("string"), value_set=pa.array(values, pa.string()))
    return table.filter(found)


def _uses(table: pa.Table, hidden: frozenset[bytes]) -> tuple[Use, ...]:
    """Return what each of the latest trials used.

    One that is there twice counts once, a forgotten one never.
    """
    import numpy as np

    table = table.slice(max(0, table.num_rows - _MOST))
    phases = [n for n in table.column_names if n.startswith(SECONDS) and n != _NOT_HELD]
    seconds = np.zeros(table.num_rows)
    for name in phases:
        seconds += np.nan_to_num(table[name].fill_null(0.0).to_numpy())
    rows = zip(table["id"].to_pylist(), table["energy"].to_pylist(), seconds, strict=True)
    found = {
        identity: Use(float(held), _joules(energy))
        for identity, energy, held in rows
        if identity not in hidden
    }
    return tuple(found.values())


def _joules(energy: str | None) -> float | None:
    from pydantic_core import from_json

    readings: list[dict[str, Any]] = from_json(energy) if energy else []
    return sum(float(one["joules"]) for one in readings) if readings else None


def _limit(limits: SpendingLimits, name: str) -> tuple[float, str]:
    most, unit = {
        "gpu_hours": (limits.gpu_hours, "GPU hours"),
        "energy": (limits.energy_kwh, "kWh"),
        "cost": (limits.cost, limits.currency),
        "carbon": (limits.carbon_grams, "gCO2e"),
    }[name]
    assert most is not None
    return most, unit
