"""``xautolm exporter`` as a process: what it answers, to whom, and how it ends."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import socket
import ssl
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics

from tests.monitoring.exporter import command
from tests.monitoring.exporter import exporter
from tests.monitoring.exporter import samples_of
from tests.monitoring.sums import made_up
from tests.monitoring.sums import sums
from tests.servers.certificates import make_certificates
from xautolm_core import __version__
from xautolm_core.errors import MissingExtraError
from xautolm_core.experience.folder import FolderStore
from xautolm_core.monitoring import client

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    """A store with two tenants' experiences, most of them in a segment."""
    store = FolderStore(tmp_path_factory.mktemp("filled") / "store")
    for number in range(20):
        store.append(made_up(number, "team-a" if number % 4 else "team-b"))
        if number == 15:
            store.compact(grace=timedelta(0))
    return store


def test_it_tells_the_sums_over_the_store(filled: FolderStore) -> None:
    expected = sums(filled.scan())
    with exporter(filled.root) as found:
        told = found.samples()
        assert found.get("/healthz")[:2] == (200, "ok\n")
        assert "seconds old" in found.get("/readyz")[1]
        assert found.get("/other")[0] == 404
        assert found.stop() == 0
    by_outcome = told["xautolm_trials_total"]
    for (tenant, outcome), count in expected["trials"].items():
        assert by_outcome[("outcome", outcome), ("tenant", tenant)] == count
    assert by_outcome[("outcome", "preempted"), ("tenant", "team-a")] == 0
    joules = sum(told["xautolm_energy_joules_total"].values())
    assert joules == pytest.approx(sum(expected["joules"].values()))
    gpu = told["xautolm_trial_gpu_seconds_total"]
    assert {dict(label)["accelerator"] for label in gpu} == {"NVIDIA H100"}
    assert sum(gpu.values()) == pytest.approx(sum(expected["gpu"].values()))
    seconds = told["xautolm_trial_duration_seconds_sum"]
    train = ("phase", "train"), ("tenant", "team-a")
    assert seconds[train] == pytest.approx(expected["seconds"]["team-a", "train"])
    counts = told["xautolm_trial_duration_seconds_count"]
    assert counts[train] == expected["durations"]["team-a", "train"]
    assert told["xautolm_store_experiences"][(("tenant", "team-b"),)] == 5
    assert told["xautolm_store_tail_experiences"][()] == 4
    assert told["xautolm_store_up"][()] == 1
    (build,) = told["xautolm_build_info"]
    assert dict(build)["version"] == __version__
    assert not any(name.endswith("_created") for name in told)
    assert not {"xautolm_searches_active", "xautolm_carbon_grams_total"} & set(told)
    assert "xautolm_cost_total" not in told
    labels = {name for samples in told.values() for label in samples for name, _ in label}
    assert labels == {
        *("tenant", "outcome", "phase", "accelerator", "component", "source", "quality"),
        *("le", "version", "revision"),
    }


def test_counts_of_trials_lead_to_one_of_them(filled: FolderStore) -> None:
    tail = sorted((e for e in filled.scan() if e.trial_number > 15), key=lambda e: e.ended_at)
    expected = {(e.tenant, e.outcome.value): e.id for e in tail}
    with exporter(filled.root) as found:
        found.samples()
        _, text, _ = found.get("/metrics", Accept=OPEN_METRICS)
        plain = found.get("/metrics", Accept="text/plain")[1]
        assert found.stop() == 0
    samples = [s for family in open_metrics(text) for s in family.samples]
    told = {
        (sample.labels["tenant"], sample.labels["outcome"]): sample.exemplar.labels
        for sample in samples
        if sample.exemplar is not None
    }
    assert told == {label: {"experience_id": identity} for label, identity in expected.items()}
    assert "experience_id" not in plain


GRIDS = "zone,year,location,market\nDEU,2024,400,50\n"


def test_it_tells_carbon_and_money(filled: FolderStore, tmp_path: Path) -> None:
    table = tmp_path / "grids.csv"
    table.write_text(GRIDS)
    options = (
        *("--zone", "DEU", "--intensities", str(table), "--pue", "1.2"),
        *("--gpu-embodied", "164kg/5y", "--price", "0.3EUR/kWh", "--price", "2EUR/gpuh"),
    )
    with exporter(filled.root, *options) as one, exporter(filled.root, *options) as other:
        told, again = one.samples(), other.samples()
        text = one.get("/metrics")[1]
    expected = sums(filled.scan())
    kwh = sum(v for k, v in expected["joules"].items() if k[0] == "team-a") / 3.6e6 * 1.2
    hours = sum(v for k, v in expected["gpu"].items() if k[0] == "team-a") / 3_600
    grams = told["xautolm_carbon_grams_total"]
    by = {
        (dict(label)["method"], dict(label)["scope"]): value
        for label, value in grams.items()
        if dict(label)["tenant"] == "team-a"
    }
    assert by == pytest.approx(
        {
            ("location", "operational"): kwh * 400,
            ("market", "operational"): kwh * 50,
            ("location", "embodied"): 164_000 * hours / (5 * 8_766),
            ("market", "embodied"): 164_000 * hours / (5 * 8_766),
        }
    )
    cost = told["xautolm_cost_total"][("currency", "EUR"), ("tenant", "team-a")]
    assert cost == pytest.approx(kwh * 0.3 + hours * 2)
    for name in ("xautolm_carbon_grams_total", "xautolm_cost_total"):
        assert told[name] == again[name]
    assert "400 g/kWh (grids.csv DEU 2024)" in text


def test_open_metrics_is_spoken_to_those_who_ask(filled: FolderStore) -> None:
    with exporter(filled.root) as found:
        status, text, headers = found.get("/metrics", Accept=OPEN_METRICS)
        assert status == 200
        assert headers["Content-Type"].startswith("application/openmetrics-text")
        assert text.endswith("# EOF\n")
        told = samples_of(open_metrics(text))
        assert found.get("/metrics")[2]["Content-Type"].startswith("text/plain")
    assert sum(told["xautolm_trials_total"].values()) == 20


def test_two_exporters_agree(filled: FolderStore) -> None:
    with exporter(filled.root) as one, exporter(filled.root) as other:
        first, second = one.samples(), other.samples()
    own = {name for name in first if name.startswith("xautolm_exporter")}
    assert {k: v for k, v in first.items() if k not in own} == {
        k: v for k, v in second.items() if k not in own
    }


def test_a_store_that_is_away_is_told_of_and_the_last_totals_stay(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    store.append(made_up(0))
    with exporter(store.root) as found:
        store.root.rename(tmp_path / "elsewhere")
        told = found.samples()
        while told["xautolm_store_up"][()] == 1:
            told = found.samples()
        assert told["xautolm_exporter_refresh_failures_total"][()] >= 1
        assert sum(told["xautolm_trials_total"].values()) == 1
        assert found.get("/readyz")[0] == 200
        (tmp_path / "elsewhere").rename(store.root)
        while found.samples()["xautolm_store_up"][()] == 0:
            pass


def test_before_the_first_reading_it_lives_and_is_not_ready(tmp_path: Path) -> None:
    """A server that is not there: the exporter starts all the same, and says what is wrong."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    address = f"s3://bucket/prefix?endpoint=http://127.0.0.1:{port}&region=x"
    keys = {
        "XAUTOLM_S3_ACCESS_KEY": "a",
        "XAUTOLM_S3_SECRET_KEY": "b" * 12,
        "XAUTOLM_S3_RETRY_SECONDS": "0",
    }
    with exporter(address, ready=False, environment=keys) as found:
        status, text, _ = found.get("/readyz")
        assert (status, found.get("/healthz")[0]) == (503, 200)
        assert text.startswith("not ready: ")
        told = found.samples()
        while "xautolm_store_up" not in told:
            told = found.samples()
        assert told["xautolm_store_up"][()] == 0
        assert "xautolm_trials_total" not in told
        assert found.stop() == 0


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_tls_and_credentials(filled: FolderStore, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "tls")
    secret = tmp_path / "credentials"
    secret.write_text("prometheus:s3same\n")
    context = ssl.create_default_context(cafile=str(certificates.authority))
    context.check_hostname = False
    options = ("--tls-certificate", str(certificates.chain), "--tls-key", str(certificates.key))
    with (
        exporter(filled.root, *options, "--credentials", str(secret), context=context) as found,
        socket.create_connection(("127.0.0.1", int(found.address.rpartition(":")[2]))),
    ):
        # The client above connects, says nothing, and keeps nobody waiting.
        status, _, headers = found.get("/metrics")
        assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="xautolm"')
        for wrong in ("prometheus:wrong", "other:s3same"):
            code = base64.b64encode(wrong.encode()).decode()
            assert found.get("/metrics", Authorization=f"Basic {code}")[0] == 401
        code = base64.b64encode(b"prometheus:s3same").decode()
        assert found.get("/metrics", Authorization=f"Basic {code}")[0] == 200
        assert found.get("/healthz")[0] == found.get("/readyz")[0] == 200


def test_ctrl_c_ends_it_too(filled: FolderStore) -> None:
    with exporter(filled.root) as found:
        found.process.send_signal(signal.SIGINT)
        assert found.process.wait(20) == 0


def test_a_file_for_the_node_exporter(filled: FolderStore, tmp_path: Path) -> None:
    path = tmp_path / "xautolm.prom"
    line = command("exporter", "--store", str(filled.root), "--textfile", str(path))
    subprocess.run(line, check=True)
    assert 'xautolm_store_experiences{tenant="team-b"} 5.0' in path.read_text()
    assert list(tmp_path.iterdir()) == [path]


def test_searches_of_a_workspace(filled: FolderStore, tmp_path: Path) -> None:
    run = tmp_path / "work" / "search-1" / "run"
    run.mkdir(parents=True)
    spec = {"search_id": "search-1", "tenant": "team-a", "budget_seconds": 100.0}
    (run / "search.json").write_text(json.dumps(spec))
    (run / "state.json").write_text(json.dumps({"elapsed_seconds": 25.0}))
    with exporter(filled.root, "--workspace", str(tmp_path / "work")) as found:
        told = found.samples()
    tenant = (("tenant", "team-a"),)
    assert told["xautolm_searches_active"] == {tenant: 1}
    assert told["xautolm_search_budget_used_ratio"] == {tenant: 0.25}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--store", "{tmp}/nowhere"), "There is no experience store at"),
        (("--listen", "somewhere"), "--listen: 'somewhere' is not HOST:PORT"),
        (("--listen", "192.0.2.1:1"), "Cannot listen at 192.0.2.1:1"),
        (("--interval", "soon"), "--interval: 'soon' is not a duration"),
        (("--textfile", "{tmp}/x.txt"), "--textfile: the node exporter reads no x.txt"),
        (("--textfile", "{tmp}/none/x.prom"), "cannot be written"),
        (("--tls-key", "{tmp}/key"), "belong together"),
        (("--tls-certificate", "{tmp}/c", "--tls-key", "{tmp}/k"), "cannot be used: No such file"),
        (("--credentials", "{tmp}/none"), "No such file"),
        (("--workspace", "ftp://x/y"), "ftp://"),
        (("--grams-per-kwh", "9000"), "location_grams_per_kwh: Input should be less"),
        (("--intensities", "grids.csv"), "many zones, and none is given"),
        (("--zone", "DE", "--intensities", "https://x/y"), "changes by the hour"),
        (("--zone", "XYZ", "--intensities", "{tmp}/g.csv"), "cannot be read as a table"),
        (("--grams-per-kwh", "300", "--pue", "0.5"), "pue: Input should be greater"),
        (("--grams-per-kwh", "1", "--gpu-embodied", "heavy"), "'heavy' is not carbon over years"),
        (("--assumptions", "{tmp}/none.yaml"), "There is no file"),
        (("--gpu-embodied", "164kg/5y"), "embodied carbon needs"),
        (("--price", "1EUR/h"), "cannot be used here"),
        (("--price", "1EUR/kWh", "--price", "1USD/gpuh"), "EUR and USD do not compare"),
    ],
)
def test_errors_are_one_line(
    filled: FolderStore, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    given = [argument.format(tmp=tmp_path) for argument in arguments]
    line = command("exporter", "--store", str(filled.root), "--listen", "127.0.0.1:0", *given)
    ended = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode in (2, 3)
    assert words in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_without_its_client_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'xautolm\[monitoring\]'"):
        client.require_client()
