"""Which device a machine is, by the files that its kernel shows: each machine is a folder."""

import os
import subprocess
import sys

import pytest

from energytrain.devices.detect import board_names, detect, is_here, is_tegra
from energytrain.devices.setup import load_setup, setup_names

TX2 = b"nvidia,p2597-0000+p3310-1000\0nvidia,quill\0nvidia,tegra186\0"
NANO = b"nvidia,p3450-0000\0nvidia,jetson-nano\0nvidia,tegra210\0"
UNKNOWN = b"acme,gizmo\0nvidia,tegra234\0"
RASPBERRY = b"raspberrypi,4-model-b\0brcm,bcm2711\0"


@pytest.fixture()
def machine(tmp_path):
    def build(*files, compatible=None):
        for file in files:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text("")
        if compatible is not None:
            (tmp_path / "proc/device-tree").mkdir(parents=True)
            (tmp_path / "proc/device-tree/compatible").write_bytes(compatible)
        return str(tmp_path)

    return build


RELEASE = "etc/nv_tegra_release"
CONTROL, VERSION = "dev/nvidiactl", "proc/driver/nvidia/version"
COUNTER = "sys/class/powercap/intel-rapl:0/energy_uj"


@pytest.mark.parametrize(
    "files, compatible, expected",
    [
        ((), None, "generic-cpu"),
        ((), RASPBERRY, "generic-cpu"),
        ((RELEASE,), TX2, "tx2"),
        ((), TX2, "tx2"),  # a container without the release file
        ((RELEASE, CONTROL), TX2, "tx2"),  # a Jetson before its GPU: NVML measures nothing there
        ((RELEASE, CONTROL, VERSION), NANO, "nano"),
        ((), b"nvidia,p3541-0000\0nvidia,p3450-0000\0nvidia,tegra210\0", "nano"),
        ((), b"nvidia,p3449-0000-b00+p3448-0000-b00\0nvidia,tegra210\0", "nano"),
        ((), b"nvidia,p3509-0000+p3636-0001\0nvidia,tegra186\0", "tx2"),
        ((), b"nvidia,p3449-0000+p3668-0000\0nvidia,p3509-0000+p3668-0000\0nvidia,tegra194\0", "xavier-nx"),
        ((), b"nvidia,p2972-0000\0nvidia,tegra194\0", "agx-xavier"),
        ((), b"nvidia,e3900-0000+p2888-0004\0nvidia,tegra194\0", "agx-xavier"),
        ((), b"nvidia,p3768-0000+p3767-0005-super\0nvidia,p3767-0005\0nvidia,tegra234\0", "orin-nano"),
        ((), b"nvidia,p3509-0000+p3767-0003\0nvidia,tegra234\0", "orin-nano"),
        ((), b"nvidia,p3768-0000+p3767-0000-super\0nvidia,tegra234\0", "orin-nx"),
        ((), b"nvidia,p3509-0000+p3767-0001\0nvidia,tegra234\0", "orin-nx"),
        ((), b"nvidia,p3737-0000+p3701-0008\0nvidia,tegra234\0", "agx-orin"),
        ((), b"nvidia,p3737-0000+p3701-0000-as-p3767-0003\0nvidia,tegra234\0", "agx-orin"),  # plays an Orin Nano
        ((RELEASE,), UNKNOWN, "jetson"),
        ((RELEASE, CONTROL, VERSION), UNKNOWN, "jetson"),
        ((RELEASE,), None, "jetson"),
        ((CONTROL,), None, "nvidia-gpu"),
        ((VERSION,), None, "nvidia-gpu"),
        (("dev/dxg",), None, "nvidia-gpu"),
        ((COUNTER, CONTROL), None, "nvidia-gpu"),
        ((COUNTER,), None, "cpu-rapl"),
    ],
)
def test_machines(machine, files, compatible, expected):
    root = machine(*files, compatible=compatible)
    assert detect(root) == expected
    assert is_here(load_setup(expected), root)


def test_the_device_tree_is_also_found_where_sysfs_has_it(tmp_path):
    base = tmp_path / "sys/firmware/devicetree/base"
    base.mkdir(parents=True)
    (base / "compatible").write_bytes(TX2)
    assert board_names(str(tmp_path)) == ("nvidia,p2597-0000+p3310-1000", "nvidia,quill", "nvidia,tegra186")
    assert is_tegra(str(tmp_path)) and detect(str(tmp_path)) == "tx2"


@pytest.mark.parametrize("unreadable", ["/proc/self/mem", "/proc/self/mem/compatible", "/proc/self"])
def test_a_device_tree_that_cannot_be_read_tells_nothing(machine, tmp_path, unreadable):
    root = machine(CONTROL, compatible=TX2)
    file = tmp_path / "proc/device-tree/compatible"
    file.unlink()
    file.symlink_to(unreadable)
    assert board_names(root) == () and not is_tegra(root) and detect(root) == "nvidia-gpu"


def test_what_is_here(machine):
    root = machine(RELEASE, CONTROL, compatible=TX2)
    assert [name for name in setup_names() if is_here(load_setup(name), root)] == ["generic-cpu", "jetson", "tx2"]


def test_a_plain_machine_is_no_tx2(machine):
    root = machine()
    assert [name for name in setup_names() if is_here(load_setup(name), root)] == ["generic-cpu"]


def test_this_machine_is_something():
    assert detect() in setup_names() and is_here(load_setup(detect()))


def test_detection_needs_no_torch_and_starts_no_program():
    code = (
        # Python 3.8's own uuid module, which jsonschema imports, starts uname.
        "import sys, subprocess, os, uuid\n"
        "def refuse(*a, **k): raise AssertionError(a)\n"
        "subprocess.Popen = os.system = refuse\n"
        "from energytrain.devices.detect import detect; detect()\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_counters_that_this_user_may_not_read_are_there_and_not_chosen(machine, monkeypatch):
    root = machine(COUNTER)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may read anything
    assert detect(root) == "generic-cpu"
    assert is_here(load_setup("cpu-rapl"), root)
