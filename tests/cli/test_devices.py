"""`energytrain devices`: what can be metered, how well, at what cost, and what to do where it cannot."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest
from fakes.nvml_fixture import FakeNvml

from energytrain.cli.main import run
from energytrain.devices.setup import load_setup
from energytrain.meters.catalog import FOUND


def devices(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "energytrain", "devices", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["devices", *arguments]) == 0
    return capsys.readouterr().out


@pytest.fixture
def two_gpus_and_slices(fake_nvml: FakeNvml) -> None:
    fake_nvml.set(gpus=3, update_ms=100, power_mw=150_000, mig__2=1)


def test_each_meter_with_what_it_covers_and_how_often_it_updates(two_gpus_and_slices: None) -> None:
    done = devices("--json", "--seconds", "1.5")
    assert done.returncode == 0 and done.stderr.startswith("probing nvml")
    report = json.loads(done.stdout)
    assert set(report) == {"this_machine", "meters", "devices", "by_name_only"}
    rows: Dict[str, Any] = {row["meter"]: row for row in report["meters"]}
    assert set(rows) == set(FOUND) and report["by_name_only"] == ["replay"]
    nvml = rows["nvml"]
    assert nvml["usable"] and [channel["name"] for channel in nvml["channels"]] == ["nvml:0", "nvml:1"]
    assert nvml["why"].startswith("nvml:2 is divided") and "-mig 0" in nvml["fix"]
    assert nvml["primary"] == ["nvml:0", "nvml:1"] and nvml["cost"] is None
    assert "nvml:0 temperature" in [channel["name"] for channel in nvml["conditions"]]
    for probed in nvml["probed"]:
        assert probed["update_seconds"] == pytest.approx(0.1, rel=0.05) and not probed["at_most"]
        assert probed["watts"] == pytest.approx(150, rel=0.1) and probed["failed"] == 0 < probed["samples"]
    assert rows["jtop"]["usable"] is False and rows["jtop"]["fix"] and rows["jtop"]["probed"] is None
    assert report["this_machine"] in [row["device"] for row in report["devices"]]


def test_for_people_it_says_the_same_and_the_cost(two_gpus_and_slices: None) -> None:
    done = devices("--cost", "--seconds", "0.8", "--meter", "nvml")
    assert done.returncode == 0 and "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert "averages over" not in done.stdout, "without a counter beside a power there is nothing to compare"
    assert "  nvml: in part, nvml:2 is divided into multi-instance (MIG) slices" in done.stdout
    assert any(line.startswith("      ") and "sudo nvidia-smi -mig 0" in line for line in lines)
    (row,) = [line for line in lines if line.startswith(" nvml:1 ")]
    for words in ("chip", "yes", " W ", "every ", "±5 %, steps of 1 mJ"):
        assert words in row, row
    assert 145 < float(row.split(" W ")[0].split()[-1]) < 155
    assert "nvml also tells: temperature (2), SM clock (2)" in done.stdout
    (cost,) = [line for line in lines if line.startswith(" nvml ")]
    assert "s " in cost and " %" in cost
    assert "measuring for 0.8 s what reading nvml costs" in done.stderr
    assert "runs none of these itself" in done.stdout or not load_setup("generic-cpu").prepare


def test_a_power_beside_its_counter_tells_what_it_averages_over_where_the_load_changes(fake_nvml: FakeNvml) -> None:
    fake_nvml.set(update_ms=20, average_ms=200, square_low_mw=60_000, square_period_ms=700)
    both = ("--meter", "nvml", "--meter", "nvml:counter=off", "--seconds", "2.5")
    done = devices(*both, "--json")
    counter, power = (row["probed"][0] for row in json.loads(done.stdout)["meters"])
    assert (counter["channel"], counter["counter"], counter["averaging"]) == ("nvml:0", None, None)
    assert (power["channel"], power["counter"]) == ("nvml:0#2", "nvml:0")
    assert counter["even"] and counter["error_seconds"] < 0.001 and counter["updates"] > 50
    assert power["averaging"]["low"] <= 0.2 <= power["averaging"]["high"]
    assert power["averaging"]["seconds"] == pytest.approx(0.2, rel=0.1)


def test_what_cannot_be_told_of_averaging_is_said(two_gpus_and_slices: None) -> None:
    done = devices("--meter", "nvml", "--meter", "nvml:counter=off", "--seconds", "0.5")
    assert "averages over" in done.stdout
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.startswith(" nvml:")}
    assert set(rows) == {"nvml:0", "nvml:1", "nvml:0#2", "nvml:1#2"}
    assert "cannot tell" in rows["nvml:0#2"] and "cannot tell" not in rows["nvml:0"]
    assert [name for name, row in rows.items() if " yes " in row] == ["nvml:0", "nvml:1"], "one total of one card"


def test_without_probing_nothing_is_read(fake_nvml: FakeNvml) -> None:
    done = devices("--no-probe", "--meter", "nvml")
    assert done.returncode == 0 and done.stderr == ""
    (row,) = [line for line in done.stdout.splitlines() if line.startswith(" nvml:0 ")]
    assert "not known" in row and " W " not in row


def test_where_nothing_can_be_metered_it_says_why_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = told(capsys, "--meter", f"rapl:root={tmp_path}", "--meter", f"ina3221:root={tmp_path}")
    assert "rapl" in text and ": no, " in text and ": yes" not in text
    (report,) = json.loads(told(capsys, "--json", "--meter", f"rapl:root={tmp_path}"))["meters"]
    flowing = " ".join(text.split())
    assert not report["usable"] and report["why"] in flowing and report["fix"] in flowing
    assert report["channels"] == report["conditions"] == report["primary"] == [] and report["probed"] is None


def test_a_device_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "tx2")
    setup = load_setup("tx2")
    assert setup.title in text and "meters it requires: ina3221 or jtop" in text and "its profile" in text
    for rail in setup.rails:
        assert rail.name in text
    for step in setup.prepare:
        assert f"  {step.command}\n" in text, "a command is on one line, to be copied"
    assert "energytrain runs none of these itself" in text and "note: NVML initialises" in text
    whole = json.loads(told(capsys, "tx2", "--json"))
    assert whole["name"] == "tx2" and whole["here"] is False and whole["rails"][0]["name"] == setup.rails[0].name
    assert [step["command"] for step in whole["prepare"]] == [step.command for step in setup.prepare]


def test_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in ((["tx3"], "Did you mean 'tx2'"), (["--meter", "nvmll"], "Did you mean 'nvml'")):
        assert run(["devices", *arguments]) == 2
        assert words in capsys.readouterr().err
