from __future__ import annotations

from pathlib import Path

import pytest

from xautolm_core.errors import ConfigError
from xautolm_pipelines.package import Package
from xautolm_pipelines.package import find_package
from xautolm_pipelines.package import known_names
from xautolm_pipelines.package import read_package
from xautolm_pipelines.parameters import gather


@pytest.fixture
def package(tiny: Path) -> Package:
    return read_package(tiny)


def test_what_a_package_declares(package: Package) -> None:
    assert package.name == "tiny"
    assert package.description == "Does nothing much."
    assert package.version_name == f"tiny-{package.digest[:12]}"
    kinds = {name: (p.kind, p.required) for name, p in package.parameters.items()}
    assert kinds == {
        "text": ("STRING", True),
        "trials": ("NUMBER_INTEGER", False),
        "rate": ("NUMBER_DOUBLE", False),
        "flag": ("BOOLEAN", False),
        "items": ("LIST", False),
        "options": ("STRUCT", False),
        "maybe": ("STRING", False),
    }


def test_texts_become_the_declared_types(package: Package) -> None:
    pairs = [
        "text=5=6",
        "trials=7",
        "rate=2",
        "flag=off",
        'items=["a", 1]',
        'options={"a": 1}',
        "maybe=",
    ]
    assert gather(package, pairs, None) == {
        "text": "5=6",
        "trials": 7,
        "rate": 2.0,
        "flag": False,
        "items": ["a", 1],
        "options": {"a": 1},
        "maybe": "",
    }


def test_the_command_line_wins_over_the_file(package: Package, tmp_path: Path) -> None:
    file = tmp_path / "parameters.yaml"
    file.write_text("text: from the file\ntrials: 4\nrate: 5e-5\n")
    assert gather(package, ["trials=9"], file) == {
        "text": "from the file",
        "trials": 9,
        "rate": 5e-5,
    }


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([], "needs the parameter text. Give --param text="),
        (["text=a", "trails=3"], "no parameter 'trails' (it has: flag, items, maybe, options, "),
        (["text=a", "trails=3"], "Did you mean 'trials'?"),
        (["text=a", "text=b"], "'text' is given twice"),
        (["text"], "'text' is not KEY=VALUE"),
        (["=5"], "'' is not KEY=VALUE"),
        (["text=a", "trials=many"], "'trials' must be a whole number"),
        (["text=a", "trials=1.5"], "'trials' must be a whole number"),
        (["text=a", f"trials={2**53 + 1}"], "beyond 2**53"),
        (["text=a", "rate=nan"], "'rate' must be a number"),
        (["text=a", "rate=1e999"], "'rate' must be a number"),
        (["text=a", "flag=perhaps"], "'flag' must be true or false"),
        (["text=a", "items={}"], "'items' must be a list (JSON)"),
        (["text=a", "items=[NaN]"], "'items' holds what JSON cannot"),
        (["text=a", "options=[]"], "'options' must be a mapping (JSON)"),
        (["text=a", "options={"], "'options' must be a mapping (JSON)"),
    ],
)
def test_bad_pairs(package: Package, pairs: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        gather(package, pairs, None)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "text: 5\n",
            ":1: the parameter 'text' must be a text, not a whole number. Put it",
        ),
        ("text: a\ntrials: '3'\n", ":2: the parameter 'trials' must be a whole number, not"),
        ("text: a\ntrials: true\n", "not true or false"),
        ("text: a\n\nflag: 1\n", ":3: the parameter 'flag' must be true or false"),
        ("text:\n", "not empty"),
        ("text: a\nitmes: [1]\n", ":2: the pipeline tiny has no parameter 'itmes'"),
        ("text: a\nitems: [2026-11-27]\n", "holds what JSON cannot"),
        ("- text\n", "is not a mapping"),
        ("text: [\n", "Fix the YAML"),
        ("", "needs the parameter text"),
    ],
)
def test_bad_files(package: Package, tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "parameters.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        gather(package, [], file)
    assert words in str(caught.value)


def test_a_value_is_never_in_a_message(package: Package) -> None:
    with pytest.raises(ConfigError) as caught:
        gather(package, ["text=a", "trials=s3cr3t"], None)
    assert "s3cr3t" not in str(caught.value)


def test_packages_are_found_by_name(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "xautolm-search.yaml").write_bytes(tiny.read_bytes())
    assert known_names(tmp_path) == ["xautolm-search"]
    assert find_package("xautolm-search", tmp_path).name == "tiny"
    with pytest.raises(ConfigError, match="Did you mean 'xautolm-search'"):
        find_package("xautolm-serch", tmp_path)
    assert find_package(str(tiny), tmp_path).path == tiny


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is not a compiled pipeline"),
        ("a: [", "not YAML"),
        ("- 1\n", "is not a compiled pipeline"),
        ("apiVersion: argoproj.io/v1alpha1\n", "an Argo workflow of KFP 1"),
        ("pipelineInfo: {name: a}\nroot: {inputDefinitions: {parameters: [1]}}\n", "malformed"),
        ("pipelineInfo: {name: a}\nroot: {inputDefinitions: {parameters: {a: 1}}}\n", "malformed"),
    ],
)
def test_files_that_are_no_packages(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=words):
        find_package(str(file))
    with pytest.raises(ConfigError, match="cannot be read"):
        find_package(str(tmp_path / "none.yaml"))
