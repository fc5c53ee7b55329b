"""Schedules: made once, replaced when anything changes, healed after kills and races."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pipelines.fake_kfp import Answer
from tests.pipelines.fake_kfp import FakeKfp
from xautolm_core.errors import ConfigError
from xautolm_pipelines.client import PipelinesClient
from xautolm_pipelines.package import read_package
from xautolm_pipelines.schedule import Change
from xautolm_pipelines.schedule import Schedule
from xautolm_pipelines.schedule import apply
from xautolm_pipelines.schedule import delete
from xautolm_pipelines.schedule import schedules
from xautolm_pipelines.transport import PipelinesApiError
from xautolm_pipelines.when import When

WEEKLY = When(cron="0 0 3 * * 0")
DAILY = When(every_seconds=86_400)


@pytest.fixture
def weekly(tiny: Path) -> Schedule:
    return Schedule(
        name="weekly", package=read_package(tiny), parameters={"text": "a"}, when=WEEKLY
    )


def test_a_new_schedule(fake: FakeKfp, client: PipelinesClient, weekly: Schedule) -> None:
    applied = apply(client, weekly)
    assert applied.change is Change.CREATED
    (one,) = fake.recurring.values()
    assert one["mode"] == "ENABLE"
    assert one["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * 0"}}
    assert one["max_concurrency"] == "1"
    assert one["no_catchup"] is True
    assert one["runtime_config"] == {"parameters": {"text": "a"}}
    assert len(one["description"]) < 255


def test_nothing_is_written_when_nothing_changed(
    fake: FakeKfp, client: PipelinesClient, weekly: Schedule
) -> None:
    first = apply(client, weekly)
    fake.operations.clear()
    again = apply(client, weekly)
    assert again.change is Change.UNCHANGED
    assert again.current.id == first.current.id
    assert fake.writes() == []


@pytest.mark.parametrize(
    "change",
    [
        {"when": DAILY},
        {"parameters": {"text": "b"}},
        {"parameters": {"text": "a", "trials": 3}},
        {"experiment": "other"},
        {"max_concurrency": 2},
        {"no_catchup": False},
        {"service_account": "runner"},
        {"pipeline_root": "s3://bucket/root"},
    ],
)
def test_any_change_replaces(
    fake: FakeKfp, client: PipelinesClient, weekly: Schedule, change: dict
) -> None:
    old = apply(client, weekly).current.id
    fake.watch("weekly")
    applied = apply(client, replace(weekly, **change))
    assert (applied.change, applied.removed) == (Change.REPLACED, 1)
    assert old not in fake.recurring
    assert [one["recurring_run_id"] for one in fake.firing("weekly")] == [applied.current.id]
    assert fake.least_firing == 1


def test_a_new_version_of_the_pipeline_replaces(
    fake: FakeKfp, client: PipelinesClient, weekly: Schedule, tmp_path: Path
) -> None:
    apply(client, weekly)
    changed = tmp_path / "changed.yaml"
    changed.write_text(weekly.package.path.read_text() + "# changed\n")
    assert apply(client, replace(weekly, package=read_package(changed))).change is Change.REPLACED
    (one,) = fake.firing("weekly")
    version = fake.versions[one["pipeline_version_reference"]["pipeline_version_id"]]
    assert version["yaml"].endswith("# changed\n")


def test_forth_and_back_within_a_second(
    fake: FakeKfp, client: PipelinesClient, weekly: Schedule
) -> None:
    for when in (WEEKLY, DAILY, WEEKLY, DAILY):
        applied = apply(client, replace(weekly, when=when))
        assert applied.is_ours
        assert str(when) == applied.current.when
        assert len(fake.recurring) == 1


def test_one_that_was_paused_is_enabled(
    fake: FakeKfp, client: PipelinesClient, weekly: Schedule
) -> None:
    one = apply(client, weekly).current
    client.disable(one.id)
    assert apply(client, weekly).change is Change.ENABLED
    assert len(fake.firing("weekly")) == 1


def test_what_others_made_is_left_alone(
    fake: FakeKfp, client: PipelinesClient, weekly: Schedule
) -> None:
    apply(client, replace(weekly, name="other"))
    client.create_recurring_run(
        weekly.package,
        {"text": "by hand"},
        name="weekly",
        description="by hand",
        when=DAILY,
        experiment="xautolm",
        max_concurrency=1,
        no_catchup=True,
        service_account=None,
        pipeline_root=None,
    )
    apply(client, weekly)
    apply(client, replace(weekly, when=DAILY))
    assert delete(client, "weekly") == 1
    assert sorted(one["display_name"] for one in fake.recurring.values()) == ["other", "weekly"]


def test_lists_of_many_pages(fake: FakeKfp, client: PipelinesClient, weekly: Schedule) -> None:
    fake.largest_page = 2
    for number in range(5):
        apply(client, replace(weekly, name=f"weekly-{number}"))
    assert [one.run.name for one, _ in schedules(client)] == [f"weekly-{n}" for n in range(5)]


def test_one_cut_off_is_told_and_healed(
    fake: FakeKfp, client: PipelinesClient, weekly: Schedule
) -> None:
    apply(client, weekly)
    fake.misbehave["recurring.disable"] = [Answer(500, {"message": "down"})] * 99
    changed = replace(weekly, when=DAILY)
    with pytest.raises(PipelinesApiError, match="down"):
        apply(client, changed)
    fake.misbehave.clear()
    assert [is_current for _, is_current in schedules(client)] == [False, True]
    applied = apply(client, changed)
    assert (applied.change, applied.removed) == (Change.UNCHANGED, 1)
    assert len(fake.recurring) == 1


@pytest.mark.parametrize(
    "step", ["recurring.create", "recurring.disable", "recurring.enable", "recurring.delete"]
)
def test_a_lost_answer_changes_nothing(
    fake: FakeKfp, client: PipelinesClient, weekly: Schedule, step: str
) -> None:
    first = apply(client, weekly).current
    if step == "recurring.enable":
        client.disable(first.id)
    fake.lose_answer_of.add(step)
    wanted = weekly if step == "recurring.enable" else replace(weekly, when=DAILY)
    applied = apply(client, wanted)
    assert applied.current.when == str(wanted.when)
    assert len(fake.recurring) == len(fake.firing("weekly")) == 1
    assert fake.lose_answer_of == set()
    assert fake.operations.count("recurring.create") == (1 if step == "recurring.enable" else 2)


def test_a_refused_creation_leaves_the_old_one(
    fake: FakeKfp, client: PipelinesClient, weekly: Schedule
) -> None:
    old = apply(client, weekly).current.id
    for status in (400, 500):
        fake.misbehave["recurring.create"] = [Answer(status, {"message": "no"})]
        with pytest.raises(PipelinesApiError, match="no"):
            apply(client, replace(weekly, when=DAILY))
        assert [one["recurring_run_id"] for one in fake.firing("weekly")] == [old]


def test_one_cut_off_and_then_taken_back(
    fake: FakeKfp, client: PipelinesClient, weekly: Schedule
) -> None:
    apply(client, weekly)
    fake.misbehave["recurring.disable"] = [Answer(500)] * 99
    with pytest.raises(PipelinesApiError):
        apply(client, replace(weekly, when=DAILY))
    fake.misbehave.clear()
    applied = apply(client, weekly)
    assert (applied.current.when, applied.removed) == (str(WEEKLY), 2)
    assert len(fake.recurring) == 1


@pytest.mark.parametrize("moment", ["recurring.create", "recurring.disable", "recurring.delete"])
@pytest.mark.parametrize("same", [True, False])
def test_two_replace_at_the_same_time(
    fake: FakeKfp,
    client: PipelinesClient,
    make_client: Callable[..., PipelinesClient],
    weekly: Schedule,
    moment: str,
    same: bool,
) -> None:
    apply(client, weekly)
    other = make_client(fake)
    mine = replace(weekly, when=DAILY)
    theirs = mine if same else replace(weekly, when=When(every_seconds=7200))
    fake.before[moment] = lambda: apply(other, theirs) and None
    fake.watch("weekly")
    applied = apply(client, mine)
    assert len(fake.recurring) == len(fake.firing("weekly")) == 1
    assert fake.least_firing is not None
    assert fake.least_firing >= 1
    (left,) = client.recurring_runs("weekly")
    assert left.when in (str(mine.when), str(theirs.when))
    if moment == "recurring.create" and applied.is_ours:
        assert left.id == applied.current.id


def test_one_that_vanishes_is_no_error(
    fake: FakeKfp, client: PipelinesClient, weekly: Schedule
) -> None:
    apply(client, weekly)
    fake.before["recurring.disable"] = fake.recurring.clear
    assert delete(client, "weekly") == 1
    with pytest.raises(ConfigError, match="there is no schedule 'weekly'"):
        delete(client, "weekly")


def test_a_list_that_makes_no_sense_makes_nothing(
    fake: FakeKfp, client: PipelinesClient, weekly: Schedule
) -> None:
    fake.misbehave["recurring.list"] = [Answer(200, {"total_size": 3})]
    with pytest.raises(PipelinesApiError, match="makes no sense"):
        apply(client, weekly)
    assert fake.recurring == {}


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 101])
def test_bad_names(client: PipelinesClient, weekly: Schedule, name: str) -> None:
    with pytest.raises(ConfigError, match="--name"):
        apply(client, replace(weekly, name=name))
