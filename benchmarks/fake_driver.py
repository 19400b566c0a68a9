"""The tests' fake NVIDIA driver for a benchmark: compiled from C, found by the real pynvml of each recorder."""

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Iterator

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from fakes.nvml_fixture import SOURCE, FakeNvml  # noqa: E402


@contextlib.contextmanager
def fake_driver(**settings: Any) -> Iterator[FakeNvml]:
    """A driver with `settings` (the keys are listed at the head of tests/fakes/nvml/fake_nvml.c); needs gcc."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="energytrain-") as folder:
        library = Path(folder) / "libnvidia-ml.so.1"
        flags = ["-O2", "-shared", "-fPIC", "-Wl,-soname,libnvidia-ml.so.1", "-pthread"]
        subprocess.run(["gcc", *flags, "-o", str(library), str(SOURCE)], check=True)
        fake = FakeNvml(library, Path(folder) / "nvml.control")
        fake.set(**settings)
        os.environ.update(fake.env)
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        try:
            yield fake
        finally:
            os.environ.clear()
            os.environ.update(before)
