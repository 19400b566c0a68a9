"""The loop against a bare PyTorch loop, and what it does when numbers stop being numbers."""

from typing import Any, Dict, List, Tuple

import pytest
import torch
from torch import nn
from training.digits_net import batches, network

from energytrain.errors import UsageError
from energytrain.training.loop import NonFiniteLoss, Progress, train_epoch, weights_are_finite
from energytrain.training.optimiser import make_sgd
from energytrain.training.schedule import Schedule
from energytrain.training.tally import Tally

SCHEDULE = Schedule(0.05, 4, (2,), warmup_epochs=1)


def _train(model: nn.Module, epochs: int = 1, **options: Any) -> List[Any]:
    optimiser = make_sgd(model, SCHEDULE.lr)
    return [train_epoch(model, batches(), optimiser, SCHEDULE, epoch, steps=6, **options) for epoch in range(epochs)]


def _bare(model: nn.Module, epochs: int, channels_last: bool, precision: str) -> Tuple[float, float]:
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    model.to(memory_format=memory_format)
    optimiser = make_sgd(model, SCHEDULE.lr)
    for epoch in range(epochs):
        losses, hits = 0.0, 0
        for step, (images, labels) in enumerate(batches()):
            for group in optimiser.param_groups:
                group["lr"] = SCHEDULE.lr_at(epoch, (step + 1) / 6)
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                logits = model(images.contiguous(memory_format=memory_format))
            loss = nn.functional.cross_entropy(logits.float(), labels)
            loss.backward()
            optimiser.step()
            losses += loss.item() * len(labels)
            hits += int((logits.argmax(1) == labels).sum())
    return losses / 192, hits / 192


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_it_is_a_bare_loop_to_the_bit(channels_last: bool, precision: str) -> None:
    ours, bare = network(), network()
    stats = _train(ours, epochs=3, channels_last=channels_last, precision=precision)[-1]
    loss, accuracy = _bare(bare, 3, channels_last, precision)
    for name, value in bare.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
        assert value.dtype in (torch.float32, torch.int64)
    assert stats.loss == pytest.approx(loss, rel=1e-6)
    assert (stats.accuracy, stats.images, stats.steps) == (accuracy, 192, 6)
    assert stats.lr == SCHEDULE.lr_at(2, 1.0)


def test_it_learns_real_digits() -> None:
    model = network()
    optimiser = make_sgd(model, 0.05)
    for epoch in range(3):
        stats = train_epoch(model, batches(40), optimiser, Schedule(0.05, 3), epoch, steps=40)
    assert stats.accuracy > 0.9


def test_the_hook_runs_between_backward_and_update() -> None:
    model = network()
    before = {name: value.clone() for name, value in model.named_parameters()}
    calls = []

    def silence() -> None:
        calls.append(all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in model.parameters()))
        for parameter in model.parameters():
            assert parameter.grad is not None
            parameter.grad.zero_()

    optimiser = make_sgd(model, 0.05, weight_decay=0.0)
    train_epoch(model, batches(), optimiser, SCHEDULE, 0, steps=6, after_backward=silence)
    assert calls == [True] * 6
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())


def test_the_rate_follows_the_schedule_by_the_step() -> None:
    model = network()
    optimiser = make_sgd(model, 9.0)
    rates: List[float] = []
    for epoch in range(3):
        train_epoch(
            model,
            batches(),
            optimiser,
            SCHEDULE,
            epoch,
            steps=6,
            on_step=lambda index: rates.append(optimiser.param_groups[0]["lr"]),
        )
    assert rates == pytest.approx([0.05 * (k + 1) / 6 for k in range(6)] + [0.05] * 6 + [0.005] * 6)


def test_beats_carry_the_sums_so_far() -> None:
    beats: List[Progress] = []
    stats = _train(network(), on_beat=beats.append, beat_seconds=0.0)[0]
    assert [(b.step, b.steps, b.images) for b in beats] == [(k, 6, 32 * k) for k in range(1, 7)]
    assert (beats[-1].loss, beats[-1].accuracy) == (stats.loss, stats.accuracy)
    assert len({b.loss for b in beats}) == 6
    slow: List[Progress] = []
    _train(network(), on_beat=slow.append, beat_seconds=3600.0)
    assert slow == []


def test_no_step_waits_for_the_device() -> None:
    """On torch's meta device no value can ever be read: every step must get through, only the epoch's end may not."""
    # No convolution: torch 1.13 cannot differentiate one there.
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10)).to("meta")
    steps: List[int] = []
    with pytest.raises(RuntimeError, match="(?i)meta"):
        train_epoch(
            model, batches(), make_sgd(model, 0.1), SCHEDULE, 0, steps=6, on_step=steps.append, beat_seconds=3600.0
        )
    assert steps == list(range(6))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_epoch_before_the_weights_see_it(value: float) -> None:
    model = network()
    spoilt = batches()
    spoilt[3] = (torch.full_like(spoilt[3][0], value), spoilt[3][1])
    after: Dict[int, Dict[str, torch.Tensor]] = {}

    def keep(index: int) -> None:
        after[index] = {name: p.detach().clone() for name, p in model.named_parameters()}

    with pytest.raises(NonFiniteLoss) as caught:
        train_epoch(model, spoilt, make_sgd(model, 0.05), SCHEDULE, 1, steps=6, on_step=keep)
    assert (caught.value.epoch, caught.value.step, caught.value.exit_status) == (1, 3, 1)
    assert "epoch 2, step 4" in caught.value.message
    assert sorted(after) == [0, 1, 2]
    assert all(torch.equal(p, after[2][name]) for name, p in model.named_parameters())


def test_a_weight_that_the_last_update_spoilt_is_noticed() -> None:
    model = network()

    def explode() -> None:
        for parameter in model.parameters():
            assert parameter.grad is not None
            parameter.grad.mul_(1e10)

    optimiser = make_sgd(model, 1.0)
    with pytest.raises(NonFiniteLoss, match="a weight"):
        train_epoch(model, batches(1), optimiser, Schedule(3e38, 1), 0, steps=1, after_backward=explode)


def test_finite_weights_are_never_taken_for_others() -> None:
    model = nn.Linear(4, 4)
    with torch.no_grad():
        model.weight.fill_(3e38)
    assert weights_are_finite(model)
    with torch.no_grad():
        model.weight[0, 0] = float("inf")
        model.weight[0, 1] = float("-inf")
    assert not weights_are_finite(model)


def test_a_sum_of_losses_never_recovers_from_nan() -> None:
    tally = Tally(torch.device("cpu"))
    logits, labels = torch.eye(3), torch.tensor([0, 1, 0])
    tally.add(logits, labels, torch.tensor(2.0))
    assert tally.read() == (2.0, pytest.approx(2 / 3))
    tally.add(logits, labels, torch.tensor(float("inf")))
    tally.add(logits, labels, torch.tensor(1.0))
    loss, accuracy = tally.read()
    assert loss == float("inf") and accuracy == pytest.approx(2 / 3)


def test_small_losses_after_large_ones_count() -> None:
    tally = Tally(torch.device("cpu"))
    logits, labels = torch.eye(2), torch.tensor([0, 1])
    tally.add(logits, labels, torch.tensor(1e8))
    for _ in range(1000):
        tally.add(logits, labels, torch.tensor(0.25))
    assert tally.read()[0] * tally.images == pytest.approx(2e8 + 500, abs=0.01)


def test_no_batch_is_a_clear_error() -> None:
    model = network()
    with pytest.raises(UsageError, match="no batch"):
        train_epoch(model, [], make_sgd(model, 0.1), SCHEDULE, 0, steps=0)


def test_an_exception_of_a_callback_passes() -> None:
    def stop(index: int) -> None:
        if index == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _train(network(), on_step=stop)


def test_momentum_of_another_layout_is_laid_out_before_the_first_step() -> None:
    """As after a rebuild: the momentum of a pruned network may lie otherwise than its weights."""
    results = []
    for momentum_format in (torch.channels_last, torch.contiguous_format):
        model = network()
        optimiser = make_sgd(model, 0.05)
        train_epoch(model, batches(), optimiser, SCHEDULE, 0, steps=6, channels_last=True)
        for state in optimiser.state.values():
            if state["momentum_buffer"].dim() == 4:
                state["momentum_buffer"] = state["momentum_buffer"].contiguous(memory_format=momentum_format)
        train_epoch(model, batches(), optimiser, SCHEDULE, 1, steps=6, channels_last=True)
        results.append(model.state_dict())
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])
