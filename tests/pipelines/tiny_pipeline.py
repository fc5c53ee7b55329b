"""A pipeline with a parameter of each type. No postponed annotations: kfp reads them."""

from pathlib import Path
from typing import Optional

from kfp import compiler
from kfp import dsl


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def step(a: str) -> str:
    return a


@dsl.pipeline(name="tiny", description="Does nothing much.")
def tiny(
    text: str,
    trials: int = 3,
    rate: float = 0.1,
    flag: bool = True,
    items: list[str] = ["a"],  # noqa: B006 - kfp takes defaults as they are
    options: dict[str, float] = {"a": 1.0},  # noqa: B006
    maybe: Optional[str] = None,  # noqa: UP045 - kfp does not read the other form
):
    step(a=text)


def compile_tiny(path: Path) -> Path:
    compiler.Compiler().compile(tiny, str(path))
    return path
