"""Run folders as pandas tables: samples of their traces, folders of runs, and folders that cannot be read."""

import json
import math
import shutil
from pathlib import Path
from typing import Any, Dict

import pandas as pd
import pytest

from energytrain.energy.traces import trace as traces
from energytrain.errors import UsageError
from energytrain.meters.base import Channel
from energytrain.quantities.energy import Scope
from energytrain.runs.events import EventWriter
from energytrain.runs.folder import RunFolder
from energytrain.runs.load import load_runs

GPU = Channel("nvml:0", "nvml", "nvml:GPU-1", "watts", Scope.CHIP)
HEAT = Channel("nvml:0 temperature", "nvml", "nvml:GPU-1", "celsius", Scope.CHIP)
BEGIN = 5_000_000_000_000
REAL = 1_790_000_000_000_000_000  # of the clock of the day when the monotonic one showed BEGIN


def a_spec() -> Dict[str, Any]:
    spec = json.loads((Path(__file__).parents[1] / "kept_runs" / "dense-s0" / "run.json").read_text())["spec"]
    return {**spec, "device": "generic-cpu"}


def metered(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder of one attempt whose trace holds 200 W, then a failed read, then 210 W, and two temperatures."""
    monkeypatch.setattr("energytrain.energy.traces.trace.anchor", lambda: (BEGIN, BEGIN, REAL))
    folder = RunFolder(path)
    with folder.writing(room_bytes=0):
        folder.claim(a_spec(), "identity")
        number = folder.begin_attempt(None, {}, {})
        file = folder.trace(number)
        writer = traces.TraceWriter(file, [GPU, HEAT], number, "host", "boot")
        for at, (channel, value) in enumerate([(0, 200.0), (1, 50.0), (0, None), (0, 210.0), (1, 51.0)]):
            writer.append(channel, BEGIN + at * 500_000_000, value, None if value is not None else "no answer")
        writer.close()
        with EventWriter(folder.events, number) as events:
            events.append("attempt", trace=str(file.relative_to(path)), primary=["nvml:0"], unavailable=[], here=True)
            events.append("stop", status="done", reason="")
        folder.end_attempt(number, "done")
    marks = folder.events.read_text().splitlines()
    first = marks[0].split('"t": ')[1].split(",")[0]
    folder.events.write_text("\n".join([marks[0].replace(first, str(BEGIN)), *marks[1:]]) + "\n")
    return path


def test_samples_are_the_readings_of_the_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = load_runs(metered(tmp_path / "one", monkeypatch)).samples
    power = samples[samples["channel"] == "nvml:0"]
    assert list(power["seconds"]) == [0.0, 1.0, 1.5] and set(power["quantity"]) == {"watts"}
    assert power["value"].iloc[0] == 200.0 and math.isnan(power["value"].iloc[1]) and power["value"].iloc[2] == 210.0
    assert power["utc"].iloc[2] == pd.Timestamp(REAL + 1_500_000_000, tz="UTC")
    heat = samples[samples["channel"] == "nvml:0 temperature"]
    assert list(heat["value"]) == [50.0, 51.0] and set(heat["quantity"]) == {"celsius"}
    assert set(samples["run"]) == {"one"} and set(samples["host"]) == {"host"} and set(samples["attempt"]) == {1}


def test_a_folder_of_runs_is_all_its_runs_by_names_of_their_own(tmp_path: Path, monkeypatch: Any) -> None:
    metered(tmp_path / "a" / "same", monkeypatch)
    metered(tmp_path / "b" / "same", monkeypatch)
    tables = load_runs([tmp_path / "a", tmp_path / "b" / "same", tmp_path / "a" / "same"])
    assert list(tables.runs["run"]) == ["same", "same#2"]
    assert tables.folders == {"same": tmp_path / "a" / "same", "same#2": tmp_path / "b" / "same"}
    assert sorted(tables.samples["run"].unique()) == ["same", "same#2"]


def test_a_damaged_folder_is_named_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metered(tmp_path / "good", monkeypatch)
    shutil.copytree(tmp_path / "good", tmp_path / "bad")
    (tmp_path / "bad" / "run.json").write_text("{")
    with pytest.warns(UserWarning, match="skipped .*bad"):
        tables = load_runs(tmp_path)
    assert list(tables.runs["run"]) == ["good"] and list(tables.skipped["path"]) == [str(tmp_path / "bad")]
    assert "cannot be read" in tables.skipped["reason"].iloc[0]
    with pytest.raises(UsageError, match="cannot be read"):
        load_runs(tmp_path / "bad")


def test_a_path_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no run in"):
        load_runs(tmp_path)


def test_runs_without_traces_have_no_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(metered(tmp_path / "one", monkeypatch) / "traces")
    samples = load_runs(tmp_path / "one").samples
    assert samples.empty and list(samples.columns)[:3] == ["run", "attempt", "host"]
