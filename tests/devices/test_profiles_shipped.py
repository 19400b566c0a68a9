"""The profiles that ship: their figures in order, against well-known ones, and which GPU's name leads to which."""

import re

import pytest

from energytrain.devices import files
from energytrain.devices.profile import load_profile, profile_names, profile_of_gpu
from energytrain.devices.setup import load_setup, setup_names

JETSONS = ("nano", "tx2", "xavier-nx", "agx-xavier", "orin-nano", "orin-nx", "agx-orin")
CARDS = ("rtx-2080-ti", "rtx-3090", "rtx-4090", "a100", "h100", "h200")
# From the widest format to the narrowest; fp16 and bf16 are not compared with each other, as old GPUs lack the second.
WIDTHS = (("fp32", "fp16", "fp8_e4m3"), ("fp32", "bf16", "fp8_e5m2"))
# TFLOPS dense in fp32 on CUDA cores and in fp16 with sums in fp32, GB/s, watts: makers' sheets, typed in apart.
WELL_KNOWN = {
    "nano": (0.236, 0.472, 25.6, 10),
    "tx2": (0.666, 1.33, 59.7, 15),
    "agx-xavier": (1.41, 11.3, 136.5, None),
    "agx-orin": (5.3, 42.5, 204.8, 60),
    "rtx-2080-ti": (13.4, 53.8, 616, 250),
    "rtx-3090": (35.6, 71, 936, 350),
    "rtx-4090": (82.6, 165.2, 1008, 450),
    "a100": (19.5, 312, 2039, 400),
    "h100": (67, 1979 / 2, 3350, 700),
    "h200": (67, 1979 / 2, 4800, 700),
}


def test_the_devices_that_are_promised_have_a_profile():
    assert set(profile_names()) == {*JETSONS, *CARDS, "generic-cpu"}


@pytest.mark.parametrize("name", WELL_KNOWN)
def test_rates_are_the_well_known_ones(name):
    profile = load_profile(name)
    fp32, fp16, bandwidth, watts = WELL_KNOWN[name]
    assert profile.peak_flops["fp32"] == pytest.approx(fp32 * 1e12, rel=0.01)
    assert profile.peak_flops["fp16"] == pytest.approx(fp16 * 1e12, rel=0.01)
    assert profile.bandwidth == pytest.approx(bandwidth * 1e9, rel=0.005)
    assert watts is None or profile.max_watts == watts


@pytest.mark.parametrize("name", ["rtx-4090", "h100", "h200"])
def test_fp8_runs_at_twice_the_rate_of_bf16_where_there_is_fp8(name):
    peak = load_profile(name).peak_flops
    assert peak["fp8_e4m3"] == peak["fp8_e5m2"] == pytest.approx(2 * peak["bf16"], rel=1e-3)


@pytest.mark.parametrize("name", [name for name in profile_names() if name not in ("rtx-4090", "h100", "h200")])
def test_what_a_device_cannot_do_costs_what_emulates_it(name):
    profile = load_profile(name)
    emulator = "bf16" if profile.peak_flops["bf16"] > profile.peak_flops["fp32"] else "fp32"
    for narrow in ("bf16", "fp8_e4m3", "fp8_e5m2"):
        assert profile.peak_flops[narrow] == profile.peak_flops[emulator]
        assert profile.joules_per_flop[narrow] == profile.joules_per_flop[emulator]
        said = profile.numbers[f"peak_flops.{narrow}"].source
        assert narrow == emulator or said.startswith("assumed"), "what is emulated is said to be"


@pytest.mark.parametrize("name", profile_names())
def test_watts_are_in_order_and_narrower_formats_cost_less(name):
    profile = load_profile(name)
    assert 0 < profile.idle_watts <= profile.static_watts < profile.max_watts
    for formats in WIDTHS:
        has = [one for one in formats if one in profile.joules_per_flop]
        joules = [profile.joules_per_flop[one] for one in has]
        peaks = [profile.peak_flops[one] for one in has]
        if peaks == sorted(peaks):
            assert joules == sorted(joules, reverse=True)


@pytest.mark.parametrize("name", profile_names())
def test_everything_at_its_peak_comes_near_the_maximum_power(name):
    profile = load_profile(name)
    for precision, peak in profile.peak_flops.items():
        arithmetic = profile.static_watts + peak * profile.joules_per_flop[precision]
        memory = profile.bandwidth * profile.joules_per_byte
        assert arithmetic <= profile.max_watts * (1.05 if profile.scope == "chip" or precision == "fp32" else 1.3)
        assert 0.5 * profile.max_watts < arithmetic + memory < 1.3 * profile.max_watts, precision


@pytest.mark.parametrize("name", JETSONS + CARDS)
def test_the_check_that_a_unit_energy_names_is_that_of_its_numbers(name):
    """ "Check: 504 W" is said of the power at the full peak; a number that changes must take its check with it."""
    profile = load_profile(name)
    for path, number in profile.numbers.items():
        said = re.search(r"Check: ([\d.]+) W at the full|Check: ([\d.]+) W, ", number.source)
        if said is None or not path.startswith("joules_per"):
            continue
        rate = profile.bandwidth if path == "joules_per_byte" else profile.peak_flops[path.split(".")[1]]
        # An anchor carries its text to formats that share the number and have its power at their own rate.
        assert float(said.group(1) or said.group(2)) == pytest.approx(number.value * rate, rel=0.03), path


@pytest.mark.parametrize("name", profile_names())
def test_every_source_is_a_place_or_is_said_to_be_assumed(name):
    profile = load_profile(name)
    place = re.compile(r"https?://|github\.com/|data sheet|Guide|Horowitz|SPRAD|assumed|found by the text")
    derived = ("twice fp32", "five stacks", "two channels", "eight fp32 lanes")
    for path, number in profile.numbers.items():
        assert place.search(number.source) or number.source.startswith(derived), (path, number.source)
        assert re.fullmatch(r"20\d\d(-\d\d){0,2}", number.date), path
    for path in ("joules_per_flop.fp32", "efficiency.conv", "bounds_factor"):
        assert "assumed" in profile.numbers[path].source, "nobody has measured these"
    assert profile.bounds_factor >= 3 and not profile.calibrated


@pytest.mark.parametrize(
    "name",
    [name for name in profile_names() if load_profile(name).peak_flops["bf16"] > load_profile(name).peak_flops["fp32"]],
)
def test_where_tf32_may_run_fp32_it_is_said(name):
    profile = load_profile(name)
    (note,) = [note for note in profile.notes if "TF32" in note and "PyTorch" in note]
    if profile.peak_flops["bf16"] / 2 > 1.1 * profile.peak_flops["fp32"]:
        assert profile.bounds_factor >= 4 and "bounds are widened" in note


def test_every_setup_of_one_board_names_its_profile_and_those_of_many_none():
    named = {name: load_setup(name).profile for name in setup_names()}
    assert {name: profile for name, profile in named.items() if profile == name} == {
        **{name: name for name in JETSONS},
        "generic-cpu": "generic-cpu",
    }
    assert {name for name, profile in named.items() if profile is None} == {"jetson", "nvidia-gpu", "nvidia-datacenter"}
    for name in JETSONS:
        assert load_profile(name).scope == "module", "what its monitor covers"
    for name in CARDS:
        assert load_profile(name).scope == "chip", "what NVML covers"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA H200", "h200"),
        ("NVIDIA A100-SXM4-80GB", "a100"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("GeForce RTX 2080 Ti", "rtx-2080-ti"),
        ("nvidia geforce rtx 3090", "rtx-3090"),
        ("NVIDIA GeForce RTX 3090 Ti", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA H100 PCIe", None),
        ("NVIDIA H200 NVL", None),
        ("NVIDIA", None),
        ("", None),
    ],
)
def test_the_whole_name_of_a_gpu_leads_to_its_profile(model, expected):
    assert profile_of_gpu(model) == expected


def test_no_two_profiles_stand_for_one_gpu():
    names = [model.lower() for name in profile_names() for model in load_profile(name).matches]
    assert len(names) == len(set(names)) > 0


def test_the_folder_of_profiles_holds_nothing_but_profiles():
    assert {path.name for path in files.folder("profile").iterdir()} == {f"{name}.yaml" for name in profile_names()}
