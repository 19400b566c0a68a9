"""Which NVIDIA GPU's setup a machine gets, by the model's name that the driver lists."""

from pathlib import Path
from typing import Sequence

import pytest

from energytrain.devices.detect import detect, gpu_models, is_here
from energytrain.devices.setup import load_setup


def machine(root: Path, models: Sequence[str]) -> str:
    for number, model in enumerate(models):
        file = root / "proc/driver/nvidia/gpus" / f"0000:{number:02x}:00.0" / "information"
        file.parent.mkdir(parents=True)
        file.write_text(f"Model: \t\t {model}\nIRQ:   \t\t 91\nGPU UUID: \t GPU-H100\nBus Type: \t PCIe\n")
    (root / "dev").mkdir()
    (root / "dev/nvidiactl").touch()
    return str(root)


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (["NVIDIA A100-SXM4-80GB"], "nvidia-datacenter"),
        (["NVIDIA H100 80GB HBM3"], "nvidia-datacenter"),
        (["NVIDIA H200"], "nvidia-datacenter"),
        (["NVIDIA GH200 480GB"], "nvidia-datacenter"),
        (["NVIDIA GeForce RTX 4090", "NVIDIA A30"], "nvidia-datacenter"),
        (["NVIDIA GeForce RTX 4090"], "nvidia-gpu"),
        (["NVIDIA RTX A1000"], "nvidia-gpu"),
        (["Tesla T4"], "nvidia-gpu"),
        ([], "nvidia-gpu"),
    ],
)
def test_the_models_name_decides(tmp_path: Path, models: Sequence[str], expected: str) -> None:
    root = machine(tmp_path, models)
    assert detect(root) == expected
    assert is_here(load_setup("nvidia-gpu"), root), "any of them is an NVIDIA GPU"
    assert is_here(load_setup("nvidia-datacenter"), root) is (expected == "nvidia-datacenter")


def test_a_name_is_read_as_words(tmp_path: Path) -> None:
    assert gpu_models(machine(tmp_path, ["NVIDIA A100-SXM4-80GB"])) == (("NVIDIA", "A100", "SXM4", "80GB"),)
