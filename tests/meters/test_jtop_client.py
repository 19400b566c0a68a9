"""The connection to jtop's service: what is old, lost, refused or never answered, over a fake service."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, List

import pytest
from fakes.jtop_fixture import INTERVAL, Open, by_name, failed, options_of, until, whole
from fakes.jtop_server import FakeJtop

from energytrain.energy.integrator.integrate import energy_of
from energytrain.energy.recorder.client import Recorder
from energytrain.energy.traces.trace import read_trace
from energytrain.errors import MeterUnavailable
from energytrain.meters.base import conditions_of
from energytrain.meters.catalog import parse_meter
from energytrain.meters.jetson import jtop, jtop_client

ROOT = Path(__file__).resolve().parents[2]


def test_what_the_service_gathered_for_an_earlier_client_is_no_reading(open_jtop: Open, fake_jtop: FakeJtop) -> None:
    first = open_jtop()
    until(lambda: by_name(first), whole)
    fake_jtop.set(hang=True, rails={"VDD_IN": [5.0, 5.0, 0.0]})
    until(lambda: by_name(first), failed)
    late = open_jtop()
    assert failed(by_name(late))
    fake_jtop.set(hang=False)
    assert by_name(late)["jtop:VDD_IN"].value != 9.0
    assert until(lambda: by_name(late)["jtop:VDD_IN"].value, lambda value: value is not None) == 5.0


def test_its_first_read_is_a_reading(open_jtop: Open) -> None:
    assert whole(by_name(open_jtop()))


def test_a_service_that_publishes_nothing_more_is_a_gap_and_no_constant(open_jtop: Open, fake_jtop: FakeJtop) -> None:
    meter = open_jtop()
    until(lambda: by_name(meter), whole)
    fake_jtop.set(hang=True)
    gone = until(lambda: by_name(meter), failed)
    assert gone["jtop:VDD_IN"].error == "jtop's service publishes nothing new"
    time.sleep(4 * INTERVAL)  # jetson-stats' client copies the old data again in the meantime
    assert failed(by_name(meter)) and failed(by_name(conditions_of(meter)))
    fake_jtop.set(hang=False)
    until(lambda: by_name(meter), whole)


def test_it_comes_back_with_a_service_that_was_restarted(
    open_jtop: Open, fake_jtop: FakeJtop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jtop_client, "RETRY_SECONDS", 0.2)
    meter = open_jtop()
    until(lambda: by_name(meter), whole)
    fake_jtop.kill()
    until(lambda: by_name(meter)["jtop:VDD_IN"].error, lambda error: error is not None and "given up" in error)
    until(lambda: by_name(meter)["jtop:VDD_IN"].error, lambda error: error is not None and "left its socket" in error)
    fake_jtop.set(rails={"VDD_IN": [6.0, 6.0, 0.0]})
    fake_jtop.start()
    assert until(lambda: by_name(meter)["jtop:VDD_IN"].value, lambda value: value is not None) == 6.0


def test_reads_of_the_meter_and_of_its_conditions_never_connect_again_at_once(
    open_jtop: Open, fake_jtop: FakeJtop, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = open_jtop()
    until(lambda: by_name(meter), whole)
    attempts: List[str] = []
    at_work, most = [0], [0]
    start, check = threading.Thread.start, jtop_client._check_socket

    def starts_late(thread: threading.Thread) -> None:
        """As on a busy machine: time passes between the question who connects and the answer."""
        time.sleep(0.1)
        start(thread)

    def connects_slowly(path: str) -> None:
        attempts.append(threading.current_thread().name)
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        time.sleep(0.3)
        at_work[0] -= 1
        check(path)

    monkeypatch.setattr(jtop_client, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(jtop_client, "_check_socket", connects_slowly)
    fake_jtop.kill()
    until(meter._connection.client.is_alive, lambda alive: not alive)
    until(lambda: meter._connection._power[0], lambda since: time.monotonic() - since > 3 * INTERVAL)
    ended = threading.Event()

    def reads(one: Any) -> None:
        while not ended.is_set():
            one.read()
            time.sleep(0.005)

    readers = [threading.Thread(target=reads, args=(one,)) for one in (meter, conditions_of(meter))]
    for reader in readers:
        reader.start()
    monkeypatch.setattr(threading.Thread, "start", starts_late)
    until(lambda: len(attempts), lambda number: number >= 3)
    ended.set()
    for reader in readers:
        reader.join()
    assert set(attempts) == {"jtop reconnects"} and most == [1]


def test_closing_while_it_connects_again_leaves_no_client(
    open_jtop: Open, fake_jtop: FakeJtop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jtop_client, "RETRY_SECONDS", 0.0)
    meter = open_jtop()
    fake_jtop.kill()
    until(meter._connection.client.is_alive, lambda alive: not alive)
    fake_jtop.start()
    fresh: List[Any] = []
    connected = jtop_client.JtopConnection._connected

    def closed_meanwhile(connection: jtop_client.JtopConnection) -> Any:
        fresh.append(connected(connection))
        meter.close()
        return fresh[-1]

    monkeypatch.setattr(jtop_client.JtopConnection, "_connected", closed_meanwhile)
    until(lambda: (meter.read(), len(fresh)), lambda told: told[1] == 1)
    until(fresh[0].is_alive, lambda alive: not alive)
    assert meter._connection.client is not fresh[0]


def test_a_restarted_service_that_is_slower_is_refused(
    open_jtop: Open, fake_jtop: FakeJtop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jtop_client, "RETRY_SECONDS", 0.2)
    meter = open_jtop()
    until(lambda: by_name(meter), whole)
    fake_jtop.kill()
    fake_jtop.set(interval=1.5)
    fake_jtop.start()
    until(lambda: by_name(meter)["jtop:VDD_IN"], lambda reading: "1.5 s" in str(reading.error))
    monkeypatch.setattr(jtop_client, "RETRY_SECONDS", 60.0)
    end = time.monotonic() + 2.0  # its next data come in this time
    while time.monotonic() < end:
        assert failed(by_name(meter))
        time.sleep(0.02)


def test_a_service_that_dies_leaves_a_gap_in_the_trace(fake_jtop: FakeJtop, tmp_path: Path) -> None:
    text = ",".join(f"{key}={value}" for key, value in options_of(fake_jtop).items())
    recorder = Recorder.start(tmp_path / "trace.arrows", [parse_meter(f"jtop:{text}")], 100.0)
    module = "jtop:VDD_IN"
    until(lambda: (recorder.latest() or {}).get("channels", {}).get(module, {}).get("watts"), lambda watts: watts)
    start = time.monotonic_ns()
    time.sleep(1.0)
    fake_jtop.kill()
    died = time.monotonic_ns()
    time.sleep(1.0)
    end = time.monotonic_ns()
    recorder.stop()
    series = read_trace(tmp_path / "trace.arrows").metered[module]
    before, whole_time = energy_of(series, start, died), energy_of(series, start, end)
    assert before.coverage == 1.0 and before.low <= 9.0 * (died - start) * 1e-9 <= before.high
    assert whole_time.coverage < 0.9 and series.errors
    assert (whole_time.low, whole_time.high) != (None, None) and whole_time.high - whole_time.low > 5.0


def test_closing_ends_its_thread(open_jtop: Open) -> None:
    meter = open_jtop()
    client = meter._connection.client
    meter.close()
    meter.close()
    until(client.is_alive, lambda alive: not alive)


def test_how_this_process_starts_others_stays_its_own_affair(open_jtop: Open) -> None:
    before = multiprocessing.get_start_method(allow_none=True)
    open_jtop()
    assert multiprocessing.get_start_method(allow_none=True) == before


def test_jetson_stats_is_imported_only_when_the_meter_is_opened() -> None:
    code = "import sys, energytrain.meters.jetson.jtop; sys.exit('jtop' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def refusal(fake: FakeJtop, **options: Any) -> MeterUnavailable:
    with pytest.raises(MeterUnavailable) as refused:
        jtop.open_meter({key: str(value) for key, value in {**options_of(fake), **options}.items()})
    return refused.value


def test_no_package(fake_jtop: FakeJtop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("jtop", "jtop.service"):
        monkeypatch.setitem(sys.modules, name, None)
    error = refusal(fake_jtop)
    assert "jetson-stats is missing" in error.message and "pip install 'energytrain[jetson]'" in str(error.hint)


def test_no_service(fake_jtop: FakeJtop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jtop_client, "_CONTAINER_MARKS", ())
    error = refusal(fake_jtop, socket=tmp_path / "nothing")
    assert "does not run here" in error.message and "sudo systemctl restart jtop" in str(error.hint)
    monkeypatch.setattr(jtop_client, "_CONTAINER_MARKS", (str(tmp_path),))
    assert "-v /run/jtop.sock:/run/jtop.sock" in str(refusal(fake_jtop, socket=tmp_path / "nothing").hint)
    (tmp_path / "folder").mkdir()
    assert "no socket" in refusal(fake_jtop, socket=tmp_path / "folder").message


def test_a_service_that_left_its_socket_behind(fake_jtop: FakeJtop) -> None:
    fake_jtop.kill()
    error = refusal(fake_jtop)
    assert "left its socket behind" in error.message and "sudo systemctl restart jtop" in str(error.hint)


def test_no_access(fake_jtop: FakeJtop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(jtop_client, "_CONTAINER_MARKS", ())
    error = refusal(fake_jtop)
    assert "may not use" in error.message and "sudo usermod -aG jtop $USER" in str(error.hint)
    monkeypatch.setattr(jtop_client, "_CONTAINER_MARKS", (__file__,))
    assert "--group-add" in str(refusal(fake_jtop).hint)


def test_another_version(fake_jtop: FakeJtop) -> None:
    fake_jtop.set(version="3.1.4")
    error = refusal(fake_jtop)
    assert "version 3.1.4" in error.message and error.hint == "pip install jetson-stats==3.1.4"


def test_another_key(fake_jtop: FakeJtop) -> None:
    fake_jtop.kill()
    fake_jtop.set(key="another")
    fake_jtop.start()
    assert "refuses this client" in refusal(fake_jtop).message


def test_a_service_that_does_not_answer(fake_jtop: FakeJtop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jtop_client, "CONNECT_SECONDS", 0.5)
    fake_jtop.set(mute=True)
    error = refusal(fake_jtop)
    assert "does not answer" in error.message and "journalctl -u jtop" in str(error.hint)
    until(lambda: [one.name for one in threading.enumerate()], lambda names: "jtop connects" not in names)
