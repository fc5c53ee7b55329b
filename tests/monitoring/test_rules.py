"""Rules and dashboards as files: sound, complete and fresh."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring import make_dashboards
from tests.monitoring import servers

ROOT = Path(__file__).parents[2]
RULES = ROOT / "monitoring" / "rules" / "xautolm.yaml"
RULE_TESTS = sorted((RULES.parent / "tests").glob("*.yaml"))


def _alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def _promtool(*arguments: str) -> str:
    servers.require(servers.PROMTOOL)
    line = [str(servers.PROMTOOL), *arguments]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.prometheus
def test_prometheus_accepts_the_rules() -> None:
    assert "SUCCESS" in _promtool("check", "rules", "--lint-fatal", str(RULES))


@pytest.mark.prometheus
@pytest.mark.slow
def test_alerts_fire_when_they_should_and_only_then() -> None:
    assert "FAILED" not in _promtool("test", "rules", *map(str, RULE_TESTS))


def test_each_alert_is_tested_firing_and_not_firing() -> None:
    firing: set[str] = set()
    silent: set[str] = set()
    for file in RULE_TESTS:
        for case in yaml.safe_load(file.read_text())["tests"]:
            for one in case["alert_rule_test"]:
                (firing if one["exp_alerts"] else silent).add(one["alertname"])
    assert firing == silent == {rule["alert"] for rule in _alerts()}


@pytest.mark.parametrize("rule", _alerts(), ids=lambda rule: rule["alert"])
def test_each_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert {"summary", "description", "runbook_url"} == set(rule["annotations"])
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"
    book = (ROOT / rule["annotations"]["runbook_url"]).read_text()
    for part in (f"# {rule['alert']}", "## Meaning", "## Diagnosis", "## Fix"):
        assert part in book


def test_there_is_no_runbook_without_an_alert() -> None:
    books = {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")}
    assert books == {rule["alert"] for rule in _alerts()}


def test_dashboards_are_what_the_script_makes() -> None:
    files = {path.stem: path.read_text() for path in make_dashboards.FOLDER.glob("*.json")}
    made = {uid: make_dashboards.text(uid) for uid in make_dashboards.DASHBOARDS}
    assert files == made, "run make dashboards"


@pytest.mark.parametrize("uid", ["xautolm-operations", "xautolm-green-ai"])
def test_dashboards_are_of_one_piece(uid: str) -> None:
    document = json.loads(make_dashboards.text(uid))
    panels = document["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["description"] and panel["targets"] for panel in panels)
    cells = [
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells)), "two panels overlap"
    assert max(x for x, _ in cells) < 24
