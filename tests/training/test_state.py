"""A training that was packed, stored and unpacked goes on to the same bits, also in a new process."""

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, Iterator

import numpy as np
import pytest
import torch
from training.digits_net import network
from training.resuming import begin, digest, go_on, train, uninterrupted

from energytrain.errors import UsageError
from energytrain.training.checkpoint import CheckpointStore
from energytrain.training.optimiser import make_sgd
from energytrain.training.reproducible import seed_everything
from energytrain.training.state import pack, pack_rng, unpack


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("stop", [0, 1, 3])
def test_resumed_is_uninterrupted_to_the_bit(tmp_path: Path, stop: int, channels_last: bool) -> None:
    expected = uninterrupted(channels_last)
    model, optimiser = begin(channels_last)
    train(model, optimiser, 0, stop, channels_last)
    CheckpointStore(tmp_path).save(stop, *pack(model, optimiser))
    seed_everything(99)
    fresh = network(seed=77, dropout=0.3)
    optimiser = make_sgd(fresh, 0.01, nesterov=not channels_last)
    train(fresh, optimiser, 0, 1, channels_last)
    checkpoint = CheckpointStore(tmp_path).load_latest()
    assert checkpoint is not None
    unpack(checkpoint.tensors, checkpoint.state, fresh, optimiser)
    train(fresh, optimiser, stop, 4, channels_last)
    assert digest(fresh, optimiser) == expected


def test_a_new_process_goes_on_to_the_bit(tmp_path: Path) -> None:
    expected, halfway = uninterrupted(True), go_on(tmp_path)
    script = Path(__file__).with_name("resuming.py")
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).resolve().parents[2]))
    command = [sys.executable, str(script), str(tmp_path)]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    assert printed == expected != halfway


def test_the_packed_json_and_tensors_name_everything() -> None:
    model, optimiser = begin(False)
    train(model, optimiser, 0, 1, False)
    tensors, state = pack(model, optimiser)
    names = [name for name, _ in model.named_parameters()]
    assert {f"model.{name}" for name in model.state_dict()} <= set(tensors)
    assert {f"optimiser.momentum_buffer.{name}" for name in names} <= set(tensors)
    assert {"rng.torch", "rng.numpy", "rng.python"} <= set(tensors)
    assert set(state) == {"optimiser", "rng"}


def test_adam_is_packed_too() -> None:
    digests = []
    for cut in (False, True):
        seed_everything(1)
        model = network(seed=1)
        optimiser: torch.optim.Optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        train(model, optimiser, 0, 1, False)
        if cut:
            tensors, state = pack(model, optimiser)
            tensors = {name: value.clone() for name, value in tensors.items()}
            model = network(seed=2)
            optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
            unpack(tensors, state, model, optimiser)
        train(model, optimiser, 1, 2, False)
        digests.append(digest(model, optimiser))
    assert digests[0] == digests[1]


def _damaged() -> Iterator[Any]:
    def without(name: str) -> Any:
        return lambda tensors, state: tensors.pop(name)

    def changed(name: str, value: torch.Tensor) -> Any:
        return lambda tensors, state: tensors.update({name: value})

    yield "a weight is missing", without("model.0.weight")
    yield "a weight too many", changed("model.9.weight", torch.zeros(1))
    yield "another shape", changed("model.0.weight", torch.zeros(8, 1, 1, 1))
    yield "another type", changed("model.0.weight", torch.zeros(8, 1, 3, 3, dtype=torch.float64))
    yield "momentum of another shape", changed("optimiser.momentum_buffer.0.weight", torch.zeros(2, 2))
    yield "momentum of an unknown weight", changed("optimiser.momentum_buffer.x", torch.zeros(2))
    yield "no generator", without("rng.torch")
    yield "a generator of another size", changed("rng.torch", torch.zeros(3, dtype=torch.uint8))
    yield "a generator of another type", changed("rng.python", torch.zeros(625))
    yield "no rng in the JSON", lambda tensors, state: state.pop("rng")
    yield "rng of another type", lambda tensors, state: state.update(rng=[1, 2])
    yield "no optimiser in the JSON", lambda tensors, state: state.pop("optimiser")
    yield "an optimiser state that is text", lambda tensors, state: state.update(optimiser={"0.weight": {"a": "x"}})


@pytest.mark.parametrize("damage", [pytest.param(damage, id=name) for name, damage in _damaged()])
def test_what_does_not_fit_is_refused_and_nothing_changes(damage: Any) -> None:
    model, optimiser = begin(False)
    train(model, optimiser, 0, 1, False)
    tensors, state = pack(model, optimiser)
    other = {name: torch.rand_like(value) if value.is_floating_point() else value for name, value in tensors.items()}
    packed: Dict[str, Any] = dict(state)
    damage(other, packed)
    before = digest(model, optimiser)
    with pytest.raises(UsageError, match="does not fit"):
        unpack(other, packed, model, optimiser)
    assert digest(model, optimiser) == before


def test_what_cannot_be_stored_is_refused() -> None:
    model = network()
    with pytest.raises(ValueError, match="not the model's"):
        pack(model, make_sgd(network(), 0.1))
    optimiser = make_sgd(model, 0.1)
    optimiser.state[next(model.parameters())]["odd"] = {"a": 1}
    with pytest.raises(TypeError, match="neither a tensor nor a number"):
        pack(model, optimiser)


def test_generators_come_back_in_the_middle_of_a_pair() -> None:
    """Python and numpy draw normal numbers in pairs and keep the second; it is part of the state."""
    seed_everything(2)
    random.gauss(0, 1)
    np.random.normal()
    model = network(seed=2)
    tensors, state = pack(model)
    tensors = {name: value.clone() for name, value in tensors.items()}
    expected = [(random.gauss(0, 1), np.random.normal(), float(torch.randn(()))) for _ in range(3)]
    seed_everything(8)
    unpack(tensors, state, model)
    assert [(random.gauss(0, 1), np.random.normal(), float(torch.randn(()))) for _ in range(3)] == expected
    assert set(pack_rng()[0]) == {name for name in tensors if name.startswith("rng.")}
