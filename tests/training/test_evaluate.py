"""Evaluation: exact counts, nothing changed in the network."""

from typing import List, Tuple

import pytest
import torch
from training.digits_net import batches, network

from energytrain.errors import UsageError
from energytrain.training.evaluate import evaluate


@pytest.mark.parametrize("channels_last", [False, True])
def test_it_counts_every_image_once(channels_last: bool) -> None:
    model = network(dropout=0.5)
    data = batches(5) + [tuple(part[:7] for part in batches(6)[5])]
    model.eval()
    with torch.no_grad():
        logits = torch.cat([model(images) for images, _ in data])
    labels = torch.cat([labels for _, labels in data])
    stats = evaluate(model, data, channels_last=channels_last)
    assert (stats.images, stats.steps) == (167, 6)
    assert stats.accuracy == pytest.approx(float((logits.argmax(1) == labels).float().mean()))
    assert stats.loss == pytest.approx(float(torch.nn.functional.cross_entropy(logits, labels)), rel=1e-5)


@pytest.mark.parametrize("mode", [True, False])
def test_the_network_is_left_as_it_was(mode: bool) -> None:
    model = network(dropout=0.5).train(mode)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluate(model, batches())
    assert all(module.training is mode for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_images_made_while_evaluating_can_be_trained_on() -> None:
    """A data set may cache what it makes; a tensor of inference mode could not be trained on."""
    cached = [(images.clone(), labels) for images, labels in batches(1)]
    model = network()
    evaluate(model, ((images * 1, labels) for images, labels in cached))
    model(cached[0][0]).sum().backward()


def test_a_loss_that_overflows_is_missing_and_accuracy_stays() -> None:
    model = network()
    with torch.no_grad():
        model[-1].weight.fill_(float("inf"))
    stats = evaluate(model, batches(1))
    assert stats.loss is None
    assert 0 <= stats.accuracy <= 1


def test_beats_say_how_far_it_is() -> None:
    beats: List[Tuple[int, int]] = []
    evaluate(network(), batches(3), on_beat=lambda steps, images: beats.append((steps, images)), beat_seconds=0.0)
    assert beats == [(1, 32), (2, 64), (3, 96)]


def test_bf16_agrees_with_fp32_closely_but_not_exactly() -> None:
    model = network()
    exact, rough = (evaluate(model, batches(), precision=p).loss for p in ("fp32", "bf16"))
    assert exact is not None and rough is not None
    assert rough == pytest.approx(exact, rel=0.02) and rough != exact


def test_no_image_is_a_clear_error() -> None:
    with pytest.raises(UsageError, match="no image"):
        evaluate(network(), [])
