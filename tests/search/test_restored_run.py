"""A search whose disk is gone goes on from the objects of its run folder."""

from __future__ import annotations

from pathlib import Path

from tests.search.instant import InstantLauncher
from tests.search.instant import Silent
from xautolm_core.launch.contract import TrialHandle
from xautolm_core.launch.exchange import TrialExchange
from xautolm_core.records.attempt import TrialResult
from xautolm_core.search.runner import run_search
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.remote_outputs import RemoteOutputs


class Elsewhere(InstantLauncher):
    """Exchanges every trial through objects, as a launcher of pods does.

    Args:
        folder: Of the objects, and of the trials' machine.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.exchange = TrialExchange.open(str(folder / "objects"))
        self._machine = folder / "machine"

    def submit(self, spec: TrialSpec) -> TrialHandle:
        self.exchange.send(spec)
        return super().submit(spec)

    def poll(self, handle: TrialHandle) -> TrialResult | None:
        spec = self._running[handle.native_id]
        there = spec.model_copy(update={"out_folder": self._machine / handle.out_folder.name})
        self._running[handle.native_id] = there
        told = super().poll(handle)
        assert told is not None
        RemoteOutputs(self.exchange._storage, spec).finish(told, there.out_folder, {})
        return self.exchange.result(spec)


def search(spec, out: Path, launcher: InstantLauncher, *, resume: bool = False):
    return run_search(
        spec,
        out,
        launcher=launcher,
        observer=Silent(),
        resume=resume,
        with_test=False,
    )


def test_a_search_goes_on_on_an_empty_disk(make_spec, tmp_path):
    whole = search(make_spec(store=str(tmp_path / "other")), tmp_path / "w", InstantLauncher())
    first = Elsewhere(tmp_path)
    search(make_spec(max_trials=4), tmp_path / "run", first)
    (tmp_path / "run").rename(tmp_path / "gone")
    second = Elsewhere(tmp_path)
    new = tmp_path / "new"
    assert second.exchange.restore(new)
    result = search(make_spec(), new, second, resume=True)
    assert [s.trial_number for s in second.submitted] == [4, 5]
    assert [t.configuration for t in result.trials] == [t.configuration for t in whole.trials]
    assert [t.values for t in result.trials] == [t.values for t in whole.trials]
    assert result.best == whole.best
    assert (new / "model" / "model.safetensors").read_text() == str(whole.best)
