from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from xautolm_core.trial.best_weights import BestWeights
from xautolm_core.trial.hyperparameters import HyperParameters
from xautolm_core.trial.optimisation import LearningRate
from xautolm_core.trial.optimisation import Loss
from xautolm_core.trial.optimisation import build_optimizer

CPU = torch.device("cpu")


def _net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 3))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adamw", torch.optim.AdamW),
        ("adam", torch.optim.Adam),
        ("sgd", torch.optim.SGD),
        ("adagrad", torch.optim.Adagrad),
    ],
)
def test_optimizers_decay_matrices_alone_and_leave_frozen_ones(name: str, kind: type) -> None:
    net = _net()
    next(net.parameters()).requires_grad_(False)
    optimizer = build_optimizer(
        net, HyperParameters("full", learning_rate=0.1, optimizer=name, weight_decay=0.3)
    )
    assert type(optimizer) is kind
    decays = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert len(decays) == 5
    for parameter in list(net.parameters())[1:]:
        assert decays[id(parameter)] == (0.3 if parameter.ndim > 1 else 0.0)
    net(torch.randn(5, 4)).sum().backward()
    before = [p.detach().clone() for p in net.parameters()]
    optimizer.step()
    changed = [bool((a != b).any()) for a, b in zip(before, net.parameters(), strict=True)]
    assert changed[0] is False and any(changed[1:])


def _rates(name: str, steps: int, **more: object) -> list[float]:
    parameters = HyperParameters("full", learning_rate=2.0, lr_scheduler=name, **more)  # type: ignore[arg-type]
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    rate = LearningRate(optimizer, parameters, steps)
    found = []
    for step in range(steps):
        rate.set(step)
        found.append(optimizer.param_groups[0]["lr"])
    return found


@pytest.mark.parametrize(
    "name", ["linear", "cosine", "cosine_with_restarts", "polynomial", "constant"]
)
def test_schedules_warm_up_and_end(name: str) -> None:
    rates = _rates(name, 20, warmup_steps=5)
    assert rates[:6] == pytest.approx([0.0, 0.4, 0.8, 1.2, 1.6, 2.0])
    assert max(rates) <= 2.0
    if name == "constant":
        assert set(rates[5:]) == {2.0}
    else:
        assert rates[-1] < 0.3
    if name == "linear":
        assert rates[6:] == pytest.approx([2.0 * (20 - s) / 15 for s in range(6, 20)])


def test_a_schedule_can_be_laid_out_anew() -> None:
    parameters = HyperParameters("full", learning_rate=1.0, warmup_ratio=0.0)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    rate = LearningRate(optimizer, parameters, 100)
    rate.set(10)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.9)
    rate.lay_out(20)
    rate.set(10)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5)


def test_loss_weighs_classes_and_smooths_labels() -> None:
    labels = np.array([0, 0, 0, 1])
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    target = torch.tensor([0, 1])
    plain = Loss(HyperParameters("full"), labels, 3, CPU)(logits, target)
    log = torch.log_softmax(logits, 1)
    assert plain == pytest.approx(float(-(log[0, 0] + log[1, 1]) / 2))
    weighted = Loss(HyperParameters("full", class_weighted_loss=True), labels, 3, CPU)
    # n / (classes * count): 4/9 and 4/3, the absent class 0; normalised by their sum.
    expected = -(4 / 9 * log[0, 0] + 4 / 3 * log[1, 1]) / (4 / 9 + 4 / 3)
    assert weighted(logits, target) == pytest.approx(float(expected))
    smooth = Loss(HyperParameters("full", label_smoothing=0.3), labels, 3, CPU)(logits, target)
    expected = -(0.7 * (log[0, 0] + log[1, 1]) + 0.1 * log.sum()) / 2
    assert smooth == pytest.approx(float(expected))


def test_best_weights_come_back() -> None:
    net = _net()
    net[0].requires_grad_(False)
    best = BestWeights(net)
    kept = [p.detach().clone() for p in net.parameters()]
    best.keep(last=False)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.requires_grad:
                parameter.add_(1.0)
    best.trained_on()
    best.restore()
    assert all(torch.equal(a, b) for a, b in zip(kept, net.parameters(), strict=True))


def test_the_best_weights_can_be_looked_at_in_the_midst_of_training() -> None:
    net = _net()
    best = BestWeights(net)
    kept = [p.detach().clone() for p in net.parameters()]
    best.keep(last=False)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1.0)
    best.trained_on()
    latest = [p.detach().clone() for p in net.parameters()]
    with pytest.raises(ValueError, match="full"), best.in_place():
        assert all(torch.equal(a, b) for a, b in zip(kept, net.parameters(), strict=True))
        raise ValueError("disk full")
    assert all(torch.equal(a, b) for a, b in zip(latest, net.parameters(), strict=True))
    best.restore()
    assert all(torch.equal(a, b) for a, b in zip(kept, net.parameters(), strict=True))


def test_the_last_best_weights_are_not_copied() -> None:
    net = _net()
    best = BestWeights(net)
    best.keep(last=True)
    assert best._copies is None
    best.restore()
