"""NVIDIA GPUs through NVML: the energy counter where the GPU has one, else its power reading; and their conditions.

The counter (millijoules since the driver was loaded, Volta and later) steps every 20-100 ms and is preferred, because
what comes and goes between two reads is in it. How often it steps differs by generation and is probed, so that its
`update_seconds` stays unknown here. Whether the counters of GA100 and Hopper look at all of the time, or only at the
quarter that their power readings look at (see nvml/power.py), is not known: no source was found that says or measured
it. They are taken to look at all of it; if they do not, the energy of a load that keeps in step with the sensor
(about every 100 ms) is less sure than its bounds say.

On GeForce cards the counter gives way to the power reading where it is known what that averages over. Dauner and
others ("Evaluating the Influence of Measurement Frequency on Energy Readings Using Intel RAPL and NVIDIA NVML",
HotCarbon 2026; known here from those who quote it) found with an RTX 4090 and an RTX 5060 Ti that the counter loses by
being read: against the integrated power it was 95 % short when read every 0.5 ms, 76 % at 10 ms, 13 % at 100 ms and 2 %
at 1 s. `counter=on` takes it all the same; `energytrain.energy.probing.probe.observing_cost` shows whether it loses.

What a GPU draws when idle is not documented anywhere: its `idle_watts` stay 0, the only bound that is sure.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ...devices.detect import is_tegra
from ...errors import MeterUnavailable, UsageError
from ...quantities.energy import Scope
from ..base import Channel, Read, Reading, Skipped, condition_channels
from .bindings import MILLI, readings, start_nvml, supported, text, unreadable
from .conditions import NvmlConditions, sources_of
from .power import PowerSource, power_source
from .processes import Foreigners, check_namespace
from .selection import selected, uuids_of

OPTIONS: Dict[str, str] = {
    "gpu": "the GPU's index or UUID; all that CUDA_VISIBLE_DEVICES leaves visible without it",
    "counter": "'off' reads the power even where the GPU has an energy counter, 'on' the counter on a GeForce, too",
    "averaging": "the seconds that a power reading averages over, 0 for a moment; what is known of the GPU without it",
    "own": "id of the process whose children do not count as foreign on the GPU; without it the parent of what reads",
    "root": "the folder that stands for / where signs of a Jetson board and processes are looked for",
}

# NVML's documentation of nvmlDeviceGetPowerUsage: "accurate to within +/- 5 % of current power draw". Measurements on
# more than 70 GPUs (arXiv 2312.02741) found it to be an error of the gain, constant for one card, not of the offset.
# No accuracy is documented for the counter; it is taken to sum up the same sensor.
GAIN_ERROR = 0.05


class _Asked(NamedTuple):
    """The options, checked. counter: None where the GPU decides."""

    gpu: Optional[str]
    counter: Optional[bool]
    averaging: Optional[float]
    owner: int
    root: Path


class _Gpu(NamedTuple):
    """An open GPU: its channel, how to read it, NVML's handle."""

    channel: Channel
    read: Read
    handle: Any


class NvmlMeter:
    """GPUs of this machine, one channel each. `skipped` lists GPUs that cannot be metered: (name, why, fix)."""

    name = "nvml"

    def __init__(
        self, nvml: Any, gpus: Sequence[_Gpu], skipped: Sequence[Skipped], conditions: Optional[NvmlConditions]
    ) -> None:
        self.channels = tuple(gpu.channel for gpu in gpus)
        self.skipped = tuple(skipped)
        self.conditions = conditions
        self._reads = tuple(gpu.read for gpu in gpus)
        self._nvml = nvml

    def read(self) -> List[Reading]:
        return readings(self._nvml, self._reads)

    def close(self) -> None:
        self._nvml.nvmlShutdown()


def open_meter(options: Mapping[str, str]) -> NvmlMeter:
    """Opens the GPUs that `options` and CUDA_VISIBLE_DEVICES select. MeterUnavailable says why there is none."""
    asked = _asked(options)
    if is_tegra(str(asked.root)):
        raise MeterUnavailable(
            "this is a Jetson board, where NVML loads but measures nothing.", "Use a meter of the board's power rails."
        )
    nvml = start_nvml()
    try:
        return _open_gpus(nvml, asked)
    except BaseException:
        nvml.nvmlShutdown()
        raise


def _asked(options: Mapping[str, str]) -> _Asked:
    counter, averaging, owner = options.get("counter"), options.get("averaging"), options.get("own")
    if counter not in (None, "on", "off"):
        raise UsageError(
            f"the nvml option counter is '{counter}'.", "Write counter=on or counter=off, or leave it out."
        )
    seconds = None if averaging is None else _seconds(averaging)
    if owner is not None and not (owner.isdigit() and int(owner) > 0):
        raise UsageError(f"the nvml option own is '{owner}'.", "Write the id of a process, such as own=4711.")
    return _Asked(
        gpu=options.get("gpu"),
        counter=None if counter is None else counter == "on",
        averaging=seconds,
        owner=os.getppid() if owner is None else int(owner),
        root=Path(options.get("root", "/")),
    )


def _seconds(averaging: str) -> float:
    try:
        seconds = float(averaging)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 60:
        raise UsageError(f"the nvml option averaging is '{averaging}'.", "Write seconds, such as averaging=0.1.")
    return seconds


def _open_gpus(nvml: Any, asked: _Asked) -> NvmlMeter:
    uuids = uuids_of(nvml)
    gpus: List[_Gpu] = []
    skipped: List[Skipped] = []
    for index in selected(nvml, uuids, asked.gpu):
        name = f"nvml:{index}"
        try:
            gpus.append(_open_gpu(nvml, index, name, uuids[index], asked))
        except MeterUnavailable as error:
            skipped.append((name, error.message, error.hint or ""))
        except nvml.NVMLError as error:
            skipped.append(unreadable(nvml, name, error))
    if not gpus:
        raise MeterUnavailable(
            " ".join(dict.fromkeys(why for _, why, _ in skipped)), " ".join(dict.fromkeys(fix for _, _, fix in skipped))
        )
    return NvmlMeter(nvml, gpus, skipped, _conditions(nvml, gpus, asked))


def _open_gpu(nvml: Any, index: int, name: str, uuid: str, asked: _Asked) -> _Gpu:
    """One GPU. MeterUnavailable or the driver's error where it cannot be read."""
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    if supported(nvml, lambda: nvml.nvmlDeviceGetMigMode(handle)[0]) == 1:
        raise MeterUnavailable(
            f"{name} is divided into multi-instance (MIG) slices, which have no power reading of their own.",
            "Switch MIG off (sudo nvidia-smi -mig 0), or meter the wall.",
        )
    title = text(supported(nvml, lambda: nvml.nvmlDeviceGetName(handle)) or "")
    limit = supported(nvml, lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
    channel = Channel(
        name=name,
        meter="nvml",
        sensor=f"nvml:{uuid or index}",
        quantity="joules",
        scope=Scope.CHIP,
        gain_error=GAIN_ERROR,
        resolution=MILLI,
        max_watts=limit * MILLI if limit else None,
    )
    power = power_source(nvml, handle, title, asked.averaging)
    read = _counter(nvml, handle, title, asked.counter, power)
    if read is None:
        read = power.read
        channel = replace(channel, quantity="watts", **power.sensing._asdict())
    if "GH200" in title and (channel.quantity == "joules" or power.instant):
        # It covers CPU and memory as well, which the GPU's power limit does not bound.
        channel = replace(channel, scope=Scope.MODULE, max_watts=None)
    read()
    return _Gpu(channel, read, handle)


def _counter(nvml: Any, handle: Any, title: str, asked: Optional[bool], power: PowerSource) -> Optional[Read]:
    """How to read the energy counter in joules, None where the power is to be read."""
    get_energy = nvml.nvmlDeviceGetTotalEnergyConsumption

    def energy() -> float:
        return get_energy(handle) * MILLI  # type: ignore[no-any-return]

    # A counter that stands at zero was never started: some virtual GPUs report one so.
    if asked is False:
        return None
    if not supported(nvml, energy):
        if asked:
            raise MeterUnavailable(
                f"{title} has no energy counter that counts.", "Leave counter=on out: its power is read."
            )
        return None
    loses = asked is None and "GeForce" in title and power.sensing.averaging_seconds is not None
    return None if loses and supported(nvml, power.read) else energy


def _conditions(nvml: Any, gpus: Sequence[_Gpu], asked: _Asked) -> Optional[NvmlConditions]:
    proc = asked.root / "proc"
    skipped: List[Skipped] = []
    try:
        check_namespace(proc)
    except MeterUnavailable as error:
        skipped.append(("foreign processes", error.message, error.hint or ""))
    channels: List[Channel] = []
    reads: List[Read] = []
    for gpu in gpus:
        foreigners = None if skipped else Foreigners(nvml, gpu.handle, asked.owner, proc)
        sources = sources_of(nvml, gpu.handle, foreigners)
        power = gpu.channel
        kinds = (source[:3] for source in sources)
        channels.extend(condition_channels(NvmlConditions.name, f"{power.name} ", kinds, power.scope, power.sensor))
        reads.extend(source.read for source in sources)
    return NvmlConditions(nvml, channels, reads, skipped) if channels else None
