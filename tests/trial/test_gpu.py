from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tests.trial.tiny import TINY
from xautolm_core.records.outcome import Outcome
from xautolm_core.space.model import ModelReference
from xautolm_core.trial.contract import TrialSpec
from xautolm_core.trial.run import run_trial

MakeSpec = Callable[..., TrialSpec]
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.mark.parametrize("method", ["full", "partial", "lora", "head"])
def test_methods_run_in_bfloat16(method: str, make_spec: MakeSpec) -> None:
    parameters = {"epochs": 8, "learning_rate": 1e-2, "batch_size": 8}
    result = run_trial(make_spec(method, parameters, device="auto", measure_latency=True))
    assert result.outcome is Outcome.OK, result.failure
    assert result.device == "cuda"
    expected = "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    assert result.precision == expected
    assert result.peak_gpu_bytes is not None and result.peak_gpu_bytes > 1e6
    assert result.latency_ms is not None
    gpu = [reading for reading in result.energy if reading.component == "gpu"]
    assert gpu and all(reading.joules > 0 and reading.source for reading in gpu)
    if method == "full":
        assert result.scores["macro_f1"].value > 0.7


def test_mixed_precision_can_be_off(make_spec: MakeSpec) -> None:
    result = run_trial(make_spec(parameters={"use_mixed_precision": False}, device="cuda"))
    assert result.outcome is Outcome.OK and result.precision == "float32"


def test_lack_of_gpu_memory_is_told_apart(make_spec: MakeSpec) -> None:
    """An allowance of one hundredth of the memory makes a model of moderate size too large."""
    total = torch.cuda.get_device_properties(0).total_memory
    width = 2_048
    layers = max(int(total * 0.02 / (12 * width * width * 4)), 4)
    config = {
        **TINY["bert"],
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
    }
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.01)
    try:
        spec = make_spec(model=ModelReference(id="m", untrained_config=config), device="cuda")
        result = run_trial(spec)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    assert result.outcome is Outcome.OOM_GPU, result.failure
    assert result.peak_gpu_bytes is not None


def test_a_gpu_that_is_not_there_is_invalid(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert run_trial(make_spec(device="cuda")).outcome is Outcome.INVALID
