"""A search in a real MLflow server: seen complete, and nothing twice, whatever is killed."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.search.instant import Silent
from tests.servers.proxy import Fault
from tests.servers.proxy import FaultyProxy
from tests.tracking.eight_trials import FAILURES
from tests.tracking.eight_trials import TRIALS
from tests.tracking.eight_trials import run
from tests.tracking.mlflow_server import MlflowProcess
from xautolm_core.tracking.live import send_once
from xautolm_core.tracking.live import tracked
from xautolm_core.tracking.settings import TrackingSettings
from xautolm_core.tracking.settings import platform_settings
from xautolm_core.tracking.settings import read_settings

pytestmark = [pytest.mark.mlflow, pytest.mark.slow, pytest.mark.timeout(900)]

SETTLED = ("trials", "joules", "seconds")


class Killing(Silent):
    """Kills a server after some trials."""

    def __init__(self, server: MlflowProcess, after: int) -> None:
        super().__init__()
        self._server = server
        self._after = after

    def trial_ended(self, record, front, best) -> None:
        super().trial_ended(record, front, best)
        if len(self.ended) == self._after:
            self._server.kill()
        time.sleep(0.7)  # so that something is sent meanwhile


def seen(server: MlflowProcess, search_id: str):
    """Return what the server has of a search: its own runs, and those of its trials by number."""
    from mlflow import MlflowClient

    client = MlflowClient(server.uri)
    experiments = [one.experiment_id for one in client.search_experiments()]
    runs = client.search_runs(experiments, f"tags.`xautolm.search_id` = '{search_id}'")
    own = [one for one in runs if "xautolm.trial" not in one.data.tags]
    trials = [one for one in runs if "xautolm.trial" in one.data.tags]
    assert len({one.data.tags["xautolm.trial"] for one in trials}) == len(trials), "one is twice"
    return client, own, {int(one.data.tags["xautolm.trial"]): one for one in trials}


def assert_complete(server: MlflowProcess, search_id: str, result) -> None:
    client, own, trials = seen(server, search_id)
    assert len(own) == 1
    assert sorted(trials) == list(range(TRIALS))
    (parent,) = own
    for number, child in trials.items():
        record = result.trials[number]
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.info.status == ("FAILED" if number in FAILURES else "FINISHED")
        assert child.data.tags["xautolm.outcome"] == record.result.outcome.value
        assert child.data.params["method"] == record.configuration.method
        told = {n: v for n, v in child.data.params.items() if n in record.configuration.parameters}
        assert told == {n: str(v) for n, v in record.configuration.parameters.items()}
        assert child.data.metrics["joules"] == record.result.energy_joules
        assert child.data.metrics["seconds"] == pytest.approx(record.result.time_seconds)
        assert child.data.tags["xautolm.joules.quality"] == "C"
        for name, score in record.result.scores.items():
            assert child.data.metrics[name] == pytest.approx(score.value)
        for name in child.data.metrics:
            assert len(client.get_metric_history(child.info.run_id, name)) == 1, name
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["xautolm.best_trial"] == str(result.best)
    assert parent.data.metrics["trials"] == TRIALS
    history = client.get_metric_history(parent.info.run_id, "best_macro_f1")
    assert Counter(one.step for one in history) == Counter(set(range(TRIALS)) - set(FAILURES))
    names = {one.path for one in client.list_artifacts(parent.info.run_id)}
    assert names == {"report.html", "pareto.json", "trials.parquet"}


def test_a_server_that_is_killed_in_the_middle_misses_nothing(
    mlflow_process: MlflowProcess, make_spec, run_folder: Path
) -> None:
    settings = TrackingSettings(tracking_uri=mlflow_process.uri)
    observer = Killing(mlflow_process, after=5)
    try:
        with tracked(settings, run_folder, observer):
            result = run(
                make_spec(max_trials=TRIALS, search_id="killed-server"), run_folder, observer
            )
            ended = time.monotonic()
        assert time.monotonic() - ended < 90  # it gives up at once; its client is slow to start
    finally:
        mlflow_process.kill()
        mlflow_process.start()
    assert len(result.trials) == TRIALS
    assert "xautolm mlflow sync" in observer.notes[-1]
    assert read_settings(run_folder) == settings

    report = send_once(settings, run_folder)
    assert report.is_complete, report.problem
    assert_complete(mlflow_process, "killed-server", result)
    # Its model read the task's texts: it is not sent.
    assert "stays here" in report.note
    again = send_once(settings, run_folder)
    assert (again.is_complete, again.sent) == (True, 0)
    assert_complete(mlflow_process, "killed-server", result)


def test_what_took_effect_without_an_answer_is_not_done_twice(
    mlflow_process: MlflowProcess, make_spec, run_folder: Path
) -> None:
    result = run(make_spec(max_trials=TRIALS, search_id="any-moment"), run_folder)
    with FaultyProxy(mlflow_process.uri) as proxy:
        settings = TrackingSettings(tracking_uri=proxy.endpoint)
        for requests in (2, 3, 5, 9, 14, 21):
            # A trial's run takes six requests; the first two look for what is there.
            proxy.spoil([*[None] * requests, Fault.RESET_AFTERWARDS])
            assert not send_once(settings, run_folder).is_complete
            assert not proxy.left
        report = send_once(settings, run_folder)
    assert report.is_complete, report.problem
    assert_complete(mlflow_process, "any-moment", result)


def test_a_server_that_is_killed_between_two_requests_misses_nothing(
    mlflow_process: MlflowProcess, make_spec, run_folder: Path
) -> None:
    result = run(make_spec(max_trials=TRIALS, search_id="between"), run_folder)
    with FaultyProxy(mlflow_process.uri) as proxy:
        settings = TrackingSettings(tracking_uri=proxy.endpoint)
        for requests in (6, 25):
            limit = len(proxy.requests) + requests
            killer = threading.Thread(target=_kill_after, args=(mlflow_process, proxy, limit))
            killer.start()
            assert not send_once(settings, run_folder).is_complete
            killer.join()
            mlflow_process.start()
        report = send_once(settings, run_folder)
    assert report.is_complete, report.problem
    assert_complete(mlflow_process, "between", result)


def _kill_after(server: MlflowProcess, proxy: FaultyProxy, requests: int) -> None:
    limit = time.monotonic() + 120
    while len(proxy.requests) < requests and time.monotonic() < limit:
        time.sleep(0.002)
    server.kill()


def test_it_lies_below_the_run_of_a_pipelines_step(
    mlflow_process: MlflowProcess, make_spec, run_folder: Path
) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(mlflow_process.uri)
    experiment = client.create_experiment("pipelines")
    step = client.create_run(experiment).info.run_id
    said = {"endpoint": mlflow_process.uri, "experimentId": experiment, "parentRunId": step}
    settings = platform_settings({"KFP_MLFLOW_CONFIG": json.dumps(said)})
    assert settings is not None
    run(make_spec(max_trials=TRIALS, search_id="in-a-step"), run_folder)
    report = send_once(settings, run_folder)
    assert report.is_complete, report.problem
    assert report.experiment_id == experiment
    (parent,) = seen(mlflow_process, "in-a-step")[1]
    assert parent.data.tags["mlflow.parentRunId"] == step
    assert client.get_run(step).info.status == "RUNNING"  # it is the pipeline's, and stays as it is
