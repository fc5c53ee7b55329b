"""A real Prometheus over the real exporter: sums stay right, dashboards show, alerts arrive."""

from __future__ import annotations

import json
import re
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from monitoring import make_dashboards
from monitoring.panels import expressions
from tests.monitoring import servers
from tests.monitoring.exporter import Exporter
from tests.monitoring.exporter import exporter
from tests.monitoring.sums import made_up
from tests.monitoring.sums import sums
from tests.monitoring.test_rules import RULES
from xautolm_core.experience.folder import FolderStore

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]

TOTALS = (
    ("xautolm_trials_total", "trials"),
    ("xautolm_trial_duration_seconds_sum", "seconds"),
    ("xautolm_trial_duration_seconds_count", "durations"),
    ("xautolm_trial_gpu_seconds_total", "gpu"),
    ("xautolm_energy_joules_total", "joules"),
    ("xautolm_carbon_grams_total", "grams"),
    ("xautolm_cost_total", "money"),
)
ASSUMPTIONS = """\
location_grams_per_kwh: 400
market_grams_per_kwh: 50
pue: 1.2
price_per_kwh: 0.3
price_per_gpu_hour: 2
currency: EUR
"""
NOTHING = timedelta(0)


@pytest.fixture(autouse=True)
def _programs() -> None:
    servers.require(servers.PROMETHEUS, servers.ALERTMANAGER)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    found = FolderStore(tmp_path / "store")
    for number in range(24):
        found.append(made_up(number, "team-a" if number % 3 else "team-b"))
    return found


def _scraped(server: servers.Prometheus, running: Exporter, count: int) -> dict[str, float]:
    """Return all totals, once Prometheus has scraped what the store holds by now."""
    running.refreshed()
    server.until(f'sum(xautolm_trials_total{{instance="{running.target}"}}) == {count}')
    # And once more, so that what came with the last change is there as well.
    before = server.value("max(timestamp(xautolm_store_up))")
    server.until(f"max(timestamp(xautolm_store_up)) > {before}")
    return {name: server.value(f'sum({name}{{instance="{running.target}"}})') for name, _ in TOTALS}


def _rates(store: FolderStore) -> tuple[str, ...]:
    """Return options that tell what energy and GPU time are worth."""
    file = store.root.with_name("assumptions.yaml")
    file.write_text(ASSUMPTIONS)
    return ("--assumptions", str(file), "--gpu-embodied", "164kg/5y")


def _right(store: FolderStore) -> dict[str, object]:
    """Return what the store adds up to, in grams and money as well."""
    found = {key: sum(values.values()) for key, values in sums(store.scan()).items()}
    kwh, hours = found["joules"] / 3.6e6 * 1.2, found["gpu"] / 3_600
    valued = {
        "grams": kwh * (400 + 50) + 2 * 164_000 * hours / (5 * 8_766),
        "money": kwh * 0.3 + hours * 2,
    }
    return {name: pytest.approx({**found, **valued}[key]) for name, key in TOTALS}


def _no_resets(server: servers.Prometheus) -> None:
    """A counter that fell would have been taken for a restart, and counted twice."""
    for name, _ in TOTALS:
        labels = '{tenant!="(forgotten)"}'
        assert server.value(f"sum(resets({name}{labels}[1h]))") == 0, name


def test_totals_are_right_whatever_happens(store: FolderStore, tmp_path: Path) -> None:
    port = servers.free_port()
    target = f"127.0.0.1:{port}"
    right = _right(store)
    with servers.prometheus(tmp_path / "prometheus", [target], RULES) as server:
        with _at(port, store) as running:
            assert _scraped(server, running, 24) == right
            store.compact(grace=NOTHING)
            assert _scraped(server, running, 24) == right
        with _at(port, store) as running:
            assert _scraped(server, running, 24) == right
            for number in range(24, 30):
                store.append(made_up(number, "team-a"))
            right = _right(store)
            assert _scraped(server, running, 30) == right
            store.compact(grace=NOTHING)
            assert _scraped(server, running, 30) == right
            store.forget(task_fingerprint=f"{1:064x}")
            assert _scraped(server, running, 30) == right
            _no_resets(server)
            store.forget(tenant="team-b")
            assert _scraped(server, running, 30) == right
        with _at(port, store) as running:
            assert _scraped(server, running, 30) == right
            store.compact(grace=NOTHING)
            assert _scraped(server, running, 30) == right
        _no_resets(server)
        assert server.query('xautolm_trials_total{tenant="team-b"}') == []


def _at(port: int, store: FolderStore) -> AbstractContextManager[Exporter]:
    return exporter(store.root, *_rates(store), "--listen", f"127.0.0.1:{port}")


def test_two_exporters_agree_and_nothing_is_counted_twice(
    store: FolderStore, tmp_path: Path
) -> None:
    with exporter(store.root, *_rates(store)) as one, exporter(store.root, *_rates(store)) as other:
        targets = [one.target, other.target]
        with servers.prometheus(tmp_path / "prometheus", targets, RULES) as server:
            assert _scraped(server, one, 24) == _scraped(server, other, 24)
            for name, _ in TOTALS:
                pairs = f"max without (instance) ({name}) != min without (instance) ({name})"
                assert server.query(pairs) == []
            for number in range(24, 40):
                store.append(made_up(number, "team-a"))
            _scraped(server, one, 40)
            _scraped(server, other, 40)
            recorded = server.until("sum(tenant_outcome:xautolm_trials:increase1h) > 8")
            # Extrapolated, on a busy machine by much; but twice sixteen would be more than that.
            assert float(recorded[0]["value"][1]) < 32


def test_every_expression_of_the_dashboards_returns_data(
    store: FolderStore, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    _search(work / "ended", {"warm_start": {"applied": 5, "mapped": 2, "dropped": 1}})
    _search(work / "runs", None)
    with (
        exporter(store.root, *_rates(store), "--workspace", str(work)) as running,
        servers.prometheus(tmp_path / "prometheus", [running.target], RULES) as server,
    ):
        _scraped(server, running, 24)
        for number in range(24, 40):
            store.append(made_up(number, "team-a"))
        _scraped(server, running, 40)
        for uid in make_dashboards.DASHBOARDS:
            for expression in expressions(make_dashboards.dashboard(uid)):
                asked = expression.replace("$tenant", ".*")
                asked = re.sub(r"\$__(range|rate_interval)", "5m", asked)
                found = server.until(asked)
                assert any(sample["value"][1] != "NaN" for sample in found), expression


def _search(folder: Path, summary: dict[str, object] | None) -> None:
    (folder / "run").mkdir(parents=True)
    spec = {"search_id": folder.name, "tenant": "team-a", "max_trials": 10}
    (folder / "run" / "search.json").write_text(json.dumps(spec))
    if summary is not None:
        (folder / "summary.json").write_text(json.dumps(summary))


@pytest.fixture
def hasty_rules(tmp_path: Path) -> Path:
    """The rules, without the time that an alert waits."""
    path = tmp_path / "rules.yaml"
    path.write_text(re.sub(r"(?m)^( +for:) .*$", r"\1 0s", RULES.read_text()))
    return path


def test_an_alert_arrives_at_the_webhook(
    store: FolderStore, tmp_path: Path, hasty_rules: Path
) -> None:
    with (
        servers.webhook() as hook,
        servers.alertmanager(tmp_path / "alertmanager", hook.address) as manager,
        exporter(store.root) as running,
        servers.prometheus(
            tmp_path / "prometheus", [running.target], hasty_rules, manager
        ) as server,
    ):
        server.until("xautolm_store_up == 1")
        store.root.rename(tmp_path / "away")
        alert = hook.until("XautolmStoreUnreachable")
        assert alert["labels"]["instance"] == running.target
        assert alert["annotations"]["runbook_url"] == "docs/runbooks/XautolmStoreUnreachable.md"
        running.stop()
        assert hook.until("XautolmExporterDown")["labels"]["severity"] == "critical"
