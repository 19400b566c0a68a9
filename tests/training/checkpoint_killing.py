"""Kills a process that saves checkpoints without pause, many times, and checks what is left each time.

Run as a script: FOLDER ROUNDS SEED. Each round forks a writer (torch is imported once), kills it with SIGKILL
at a random moment and loads. Prints one JSON object with what was seen.
"""

import json
import os
import random
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Dict

import torch

from energytrain.training.checkpoint import CheckpointStore

TENSORS = {"a": (300, 200), "b": (50_000,), "c": (3, 3)}


def content(nonce: int) -> Dict[str, torch.Tensor]:
    return {name: torch.full(shape, float(nonce)) for name, shape in TENSORS.items()}


def write_forever(store: CheckpointStore, acknowledge: int, seed: int) -> None:
    """Saves on and on, now and then under the number it had; the content is another one each time."""
    checkpoint = store.load_latest()
    number = 0 if checkpoint is None else checkpoint.number
    generator = random.Random(seed)
    while True:
        number += generator.randint(0, 1)
        nonce = generator.randrange(1 << 20)
        store.save(number, content(nonce), {"nonce": nonce, "text": "x" * 20_000})
        os.write(acknowledge, struct.pack("<q", number))


def check(store: CheckpointStore, acknowledged: int) -> int:
    """The latest checkpoint must be whole, of one save, and at least the last one whose save had returned."""
    checkpoint = store.load_latest()
    if checkpoint is None:
        assert acknowledged == 0
        return 0
    assert checkpoint.number >= acknowledged, (checkpoint.number, acknowledged)
    assert set(checkpoint.tensors) == set(TENSORS)
    for name, value in content(checkpoint.state["nonce"]).items():
        assert torch.equal(checkpoint.tensors[name], value), name
    return checkpoint.number


def main(folder: Path, rounds: int, seed: int) -> None:
    generator = random.Random(seed)
    folder.mkdir(exist_ok=True)
    store = CheckpointStore(folder)
    acknowledged, leftovers, latest = 0, 0, 0
    for round_number in range(rounds):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            write_forever(store, writing, seed + round_number)
        os.close(writing)
        with open(reading, "rb") as pipe:
            # However slow the machine is, some saves return before the kill; in some rounds none does.
            said = pipe.read(8 * generator.randint(0, 2))
            time.sleep(generator.uniform(0.0, 0.02))
            os.kill(pid, signal.SIGKILL)
            assert os.waitpid(pid, 0)[1] == signal.SIGKILL
            said += pipe.read()
        if said:
            acknowledged = struct.unpack("<q", said[-8:])[0]
        latest = check(store, acknowledged)
        leftovers += any(entry.name.endswith(".tmp") for entry in folder.iterdir())
    store.save(latest + 1, content(1), {"nonce": 1})
    print(json.dumps({"latest": latest, "leftovers": leftovers, "files": sorted(os.listdir(folder))}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
