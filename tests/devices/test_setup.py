"""Setups: each names a profile and meters that exist, and its rails form a tree."""

import copy

import pytest
import yaml

from energytrain.devices import files
from energytrain.devices.profile import profile_names
from energytrain.devices.setup import load_setup, setup_names
from energytrain.errors import UsageError
from energytrain.meters.catalog import parse_meter


@pytest.mark.parametrize("name", setup_names())
def test_a_setup_is_named_by_its_file_and_names_what_exists(name):
    setup = load_setup(name)
    assert setup.name == name
    assert setup.profile is None or setup.profile in profile_names()
    for choice in setup.meters_required:
        for meter in choice:
            parse_meter(meter)
    assert setup.prepare and all(step.command and step.why for step in setup.prepare)


def test_the_three_devices_of_today():
    assert (load_setup("tx2").profile, load_setup("tx2").compute) == ("tx2", "cuda")
    gpu = load_setup("nvidia-gpu")
    assert (gpu.profile, gpu.compute, gpu.meters_required) == (None, "cuda", (("nvml",),))
    assert (load_setup("generic-cpu").profile, load_setup("generic-cpu").compute) == ("generic-cpu", "cpu")


@pytest.mark.parametrize("name", setup_names())
def test_the_rails_of_a_board_form_a_tree_with_one_total(name):
    rails = {rail.name: rail for rail in load_setup(name).rails}
    assert len({(rail.chip, rail.channel) for rail in rails.values()}) == len(rails) == len(load_setup(name).rails)
    for rail in rails.values():
        seen = {rail.name}
        while rail.part_of is not None:
            outer = rails[rail.part_of]
            assert outer.carrier == rail.carrier and outer.name not in seen
            seen.add(outer.name)
            rail = outer
    whole = [rail for rail in rails.values() if rail.part_of is None and not rail.carrier]
    assert {rail.scope for rail in whole} in (set(), {"module"}, {"rail"})
    assert len(whole) == 1 or all(rail.scope == "rail" for rail in whole)


def test_the_rails_of_a_tx2():
    rails = {rail.name: rail for rail in load_setup("tx2").rails}
    assert {rail.name for rail in rails.values() if rail.part_of is None} == {"VDD_IN", "VDD_MUX"}
    assert (rails["VDD_IN"].scope, rails["VDD_IN"].chip, rails["VDD_IN"].channel) == ("module", "0-0041", 0)
    inside = {name for name, rail in rails.items() if rail.part_of == "VDD_IN"}
    assert inside == {"VDD_SYS_CPU", "VDD_SYS_DDR", "VDD_SYS_GPU", "VDD_SYS_SOC", "VDD_4V0_WIFI"}
    assert {name for name, rail in rails.items() if rail.carrier} == set(rails) - inside - {"VDD_IN"}


@pytest.mark.parametrize("name", [name for name in setup_names() if load_setup(name).detect_kind == "tegra"])
def test_a_jetson_is_metered_by_jtop_or_else_by_its_own_files(name):
    setup = load_setup(name)
    assert setup.meters_required == (("ina3221", "jtop"),)
    assert any("nvpmodel" in step.command for step in setup.prepare)
    assert any("jetson_clocks" in step.command for step in setup.prepare)
    assert all("http" not in step.command for step in setup.prepare)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda d: d.update(compute="tpu"), "compute"),
        (lambda d: d["detect"].update(kind="amd"), "detect.kind"),
        (lambda d: d.update(meters="nvml"), "meters"),
        (lambda d: d["prepare"].append("reboot"), "prepare.4"),
        (lambda d: d["rails"][0].pop("chip"), "rails.0"),
        (lambda d: d["rails"][0]["max_watts"].pop("source"), "rails.0.max_watts"),
        (lambda d: d.update(meters_required=[["jtop"]]), "meters_required.0"),
        (lambda d: d.pop("profile"), "profile"),
    ],
)
def test_what_is_not_well_formed_is_refused_by_place(tmp_path, change, said):
    data = copy.deepcopy(files.read_yaml(files.find("device_setup", "tx2")))
    change(data)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(UsageError, match=said):
        load_setup(str(path))
