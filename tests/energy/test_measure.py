"""`measure` over the fake NVIDIA driver: bounds that hold, windows that nest, nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from fakes.nvml_fixture import FakeNvml

import energytrain
from energytrain.energy import measure as measure_module
from energytrain.energy.measure import Measurement, measure
from energytrain.energy.recorder import shared as shared_recorder
from energytrain.energy.recorder.shared import shared
from energytrain.errors import UsageError
from energytrain.quantities.energy import Energy, Provenance, Scope

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def no_recorder_is_left() -> Iterator[None]:
    yield
    shared().end()


def holds(energy: Energy, window: Measurement, fake: FakeNvml) -> bool:
    assert window.start_ns is not None and window.end_ns is not None
    assert energy.low is not None and energy.high is not None, energy.reason
    return energy.low <= fake.joules(window.start_ns, window.end_ns) <= energy.high


def until(condition: Any) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(
    ("counter", "update_ms"),
    [
        pytest.param(1, 100, id="counter"),
        pytest.param(0, 20, id="power-only"),
        pytest.param(1, 20, id="fast counter", marks=pytest.mark.slow),
        pytest.param(0, 100, id="slow power-only", marks=pytest.mark.slow),
    ],
)
def test_constant_power(fake_nvml: FakeNvml, counter: int, update_ms: int) -> None:
    fake_nvml.set(counter=counter, update_ms=update_ms)
    with energytrain.measure("sleep") as window:
        time.sleep(1)
    energy = window.energy
    assert holds(energy, window, fake_nvml)
    assert energy.joules == pytest.approx(200 * window.seconds, rel=0.1)
    assert (energy.provenance, energy.scope) == (Provenance.MEASURED, Scope.CHIP)
    assert energy.coverage > 0.95 and energy.seconds == pytest.approx(window.seconds)
    assert window.energies == {"nvml:0": energy}
    assert window.energy is energy, "computed once"


@pytest.mark.parametrize(
    "counter", [pytest.param(1, id="counter"), pytest.param(0, id="power-only", marks=pytest.mark.slow)]
)
def test_a_square_load(fake_nvml: FakeNvml, counter: int) -> None:
    fake_nvml.set(counter=counter, instant=1, update_ms=20, square_low_mw=50_000, square_period_ms=500)
    with measure() as window:
        time.sleep(1.2)
    assert holds(window.energy, window, fake_nvml)


def test_windows_nest_and_overlap(fake_nvml: FakeNvml) -> None:
    fake_nvml.set(update_ms=20)
    outer, first, second = measure("outer"), measure("first"), measure("second")
    with outer:
        first.__enter__()
        time.sleep(0.3)
        second.__enter__()
        time.sleep(0.2)
        first.__exit__(None, None, None)
        time.sleep(0.3)
        second.__exit__(None, None, None)
    for window in (outer, first, second):
        assert holds(window.energy, window, fake_nvml)
    assert outer.seconds > first.seconds and outer.seconds > second.seconds
    assert first.seconds + second.seconds > outer.seconds - 0.1


def test_a_window_shorter_than_an_update_has_wide_bounds(fake_nvml: FakeNvml) -> None:
    fake_nvml.set(update_ms=100)
    with measure("long"):
        time.sleep(0.5)
        with measure("short") as short:
            time.sleep(0.01)
    energy = short.energy
    assert holds(energy, short, fake_nvml)
    assert energy.low is not None and energy.high is not None and energy.joules is not None
    assert energy.high - energy.low > 0.1 * energy.joules


def test_two_gpus_are_one_total_and_two_channels(fake_nvml: FakeNvml) -> None:
    fake_nvml.set(gpus=2, power_mw__1=100_000)
    with measure() as window:
        time.sleep(0.5)
    assert window.energy.joules == pytest.approx(300 * window.seconds, rel=0.1)
    assert window.energy.watts == pytest.approx(300, rel=0.1) and window.energy.seconds == window.seconds
    assert window.energies["nvml:1"].joules == pytest.approx(100 * window.seconds, rel=0.1)
    with measure(meters=["nvml:gpu=1"]) as window:
        time.sleep(0.3)
    assert list(window.energies) == ["nvml:1"]


def test_one_gpu_by_two_meters_is_counted_once(fake_nvml: FakeNvml) -> None:
    with measure(meters=["nvml:counter=off", "nvml"]) as window:
        time.sleep(0.4)
    assert list(window.energies) == ["nvml:0", "nvml:0#2"]
    assert all(holds(energy, window, fake_nvml) for energy in window.energies.values())
    assert window.energy == window.energies["nvml:0#2"], "the counter goes before the power reading"


def test_without_a_meter_energy_is_missing_with_reason_and_fix(fake_nvml: FakeNvml) -> None:
    fake_nvml.set(init_error=9)
    with measure() as window:
        time.sleep(0.01)
    energy = window.energy
    assert energy.joules is None and energy.provenance is Provenance.MISSING
    assert "nvml: the NVIDIA driver is installed but not loaded." in str(energy.reason)
    assert "modprobe" in str(energy.reason), "the fix"
    assert window.energies == {} and window.seconds >= 0.01 and energy.seconds == window.seconds


def test_asked_for_no_meter(fake_nvml: FakeNvml) -> None:
    with measure(meters=[]) as window:
        pass
    assert window.energy.reason == "no meter was asked for."


@pytest.mark.parametrize("meter", ["nvmll", "nvml:gpus=1", "nvml:gpu"])
def test_a_meter_that_does_not_exist_is_the_users_error(meter: str) -> None:
    with pytest.raises(UsageError):
        measure(meters=[meter])


@pytest.mark.parametrize("hz", [0, -1, float("inf"), float("nan")])
def test_an_impossible_rate(hz: float) -> None:
    with pytest.raises(UsageError, match="rate"):
        measure(hz=hz)


def test_a_window_is_read_after_its_end_and_used_once(fake_nvml: FakeNvml) -> None:
    window = measure("epoch")
    with pytest.raises(UsageError, match="'epoch' has not ended"):
        window.energy  # noqa: B018
    with window, pytest.raises(UsageError, match="has not ended"):
        window.energies  # noqa: B018
    with pytest.raises(UsageError, match="opened before"), window:
        pass


def test_an_error_inside_goes_through_and_the_window_counts(fake_nvml: FakeNvml) -> None:
    window = measure()
    with pytest.raises(KeyError), window:
        time.sleep(0.3)
        raise KeyError("of the user's own")
    assert holds(window.energy, window, fake_nvml)


def test_threads_share_one_recorder(fake_nvml: FakeNvml) -> None:
    windows: List[Measurement] = []

    def work() -> None:
        with measure() as window:
            time.sleep(0.3)
        windows.append(window)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({window._session.recorder.pid for window in windows if window._session}) == 1
    assert all(holds(window.energy, window, fake_nvml) for window in windows)


@pytest.mark.slow
def test_an_idle_recorder_ends_and_its_windows_keep_their_energy(
    fake_nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_recorder, "IDLE_SECONDS", 0.3)
    with measure() as first:
        time.sleep(0.3)
    assert first._session is not None
    ended = first._session.recorder
    assert until(lambda: not ended.alive)
    assert holds(first.energy, first, fake_nvml)
    with measure() as second:
        time.sleep(0.2)
    assert second._session is not None and second._session.recorder.pid != ended.pid
    assert holds(second.energy, second, fake_nvml)


def test_a_gpu_lost_half_way_widens_the_bounds(fake_nvml: FakeNvml) -> None:
    with measure() as window:
        time.sleep(0.4)
        fake_nvml.lose_gpu()
        time.sleep(0.6)
    energy = window.energy
    assert energy.coverage < 0.8
    if energy.joules is not None:
        assert holds(energy, window, fake_nvml)
    else:
        assert energy.reason


def test_a_killed_recorder_raises_nothing(fake_nvml: FakeNvml) -> None:
    with measure() as window:
        time.sleep(0.3)
        assert window._session is not None and window._session.recorder.pid is not None
        os.kill(window._session.recorder.pid, signal.SIGKILL)
        time.sleep(0.5)
    energy = window.energy
    assert energy.coverage < 0.8
    assert energy.joules is None or holds(energy, window, fake_nvml)
    with measure() as again:
        time.sleep(0.3)
    assert holds(again.energy, again, fake_nvml)


def test_a_full_disk_is_a_reason(fake_nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shared_recorder.tempfile, "tempdir", str(tmp_path / "gone"))
    with measure() as window:
        pass
    assert "no room for a trace" in str(window.energy.reason)


def test_cuda_is_synchronised_before_each_edge(fake_nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch) -> None:
    events: List[Any] = []
    cuda = types.SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 3,
        current_device=lambda: 0,
        memory_reserved=lambda device: 4096 if device == 2 else 0,
        synchronize=events.append,
    )
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(cuda=cuda))  # type: ignore[arg-type]
    now = time.monotonic_ns
    monkeypatch.setattr(measure_module, "monotonic_ns", lambda: events.append("time") or now())
    with measure():
        events.append("work")
    assert events == [0, 2, "time", "work", 0, 2, "time"]
    events.clear()
    with pytest.raises(ZeroDivisionError), measure():
        raise ZeroDivisionError
    assert events == [0, 2, "time", "time"], "a failed body may have left CUDA unusable"


def script(code: str, folder: Path) -> List[Dict[str, Any]]:
    head = """
        import json, os, sys, time, tempfile
        import energytrain
        tempfile.tempdir = sys.argv[1]
        def tell(**facts):
            print(json.dumps(facts), flush=True)
        """
    file = folder / "script.py"
    file.write_text(textwrap.dedent(head) + textwrap.dedent(code))
    temporary = folder / "temporary"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", str(file), str(temporary)],
        capture_output=True,
        text=True,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert list(temporary.iterdir()) == [], "the temporary trace is gone"
    return [json.loads(line) for line in done.stdout.splitlines()]


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_nothing_survives_the_interpreter_and_torch_is_not_loaded(fake_nvml: FakeNvml, tmp_path: Path) -> None:
    (told,) = script(
        """
        with energytrain.measure() as window:
            time.sleep(0.3)
        open_still = energytrain.measure("never closed").__enter__()
        tell(pid=window._session.recorder.pid, watts=window.energy.watts, torch="torch" in sys.modules)
        """,
        tmp_path,
    )
    assert ended(told["pid"])
    assert told["watts"] == pytest.approx(200, rel=0.1) and not told["torch"]


def test_a_forked_child_starts_its_own(fake_nvml: FakeNvml, tmp_path: Path) -> None:
    told = script(
        """
        with energytrain.measure() as before:
            time.sleep(0.2)
            child = os.fork()
            if not child:
                with energytrain.measure() as window:
                    time.sleep(0.3)
                tell(pid=window._session.recorder.pid, watts=window.energy.watts)
                sys.exit()
            os.waitpid(child, 0)
        tell(pid=before._session.recorder.pid, watts=before.energy.watts)
        """,
        tmp_path,
    )
    assert len({facts["pid"] for facts in told}) == 2
    for facts in told:
        assert facts["watts"] == pytest.approx(200, rel=0.1)
        assert ended(facts["pid"])
