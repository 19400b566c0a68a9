"""Profiles: every number with its source, what the schema refuses, and physics that the numbers must obey."""

import copy

import pytest
import yaml

from energytrain.devices import files, schema
from energytrain.devices.profile import load_profile, profile_names
from energytrain.errors import UsageError
from energytrain.quantities.energy import Scope
from energytrain.quantities.ledger import PRECISIONS


@pytest.fixture()
def data():
    return copy.deepcopy(files.read_yaml(files.find("profile", "tx2")))


def load(tmp_path, data):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data))
    return load_profile(str(path))


def test_precisions_and_scopes_are_those_of_the_ledger_and_of_energy():
    assert schema.PRECISIONS == PRECISIONS
    assert set(schema.SCOPES) == {scope.value for scope in Scope}


@pytest.mark.parametrize("name", profile_names())
def test_a_profile_is_named_by_its_file_and_every_number_has_a_source(name):
    profile = load_profile(name)
    assert profile.name == name
    fields = ("bandwidth", "launch_seconds", "static_watts", "joules_per_byte", "idle_watts", "max_watts")
    for field in (*fields, "channel_multiple", "bounds_factor"):
        assert profile.numbers[field].value == getattr(profile, field)
    for field in ("peak_flops", "joules_per_flop", "efficiency"):
        for key, value in getattr(profile, field).items():
            assert profile.numbers[f"{field}.{key}"].value == value
    assert all(number.source and number.date for number in profile.numbers.values())


@pytest.mark.parametrize("name", profile_names())
def test_full_load_stays_near_the_maximum_power(name):
    """Static power with all arithmetic, or all memory traffic, at the rate that the profile itself says is reached."""
    profile = load_profile(name)
    compute = profile.peak_flops["fp32"] * profile.efficiency["conv"] * profile.joules_per_flop["fp32"]
    memory = profile.bandwidth * profile.efficiency["memory"] * profile.joules_per_byte
    assert profile.static_watts + compute <= profile.max_watts
    assert profile.static_watts + memory <= profile.max_watts
    assert profile.static_watts + compute + memory > 0.5 * profile.max_watts


def test_tx2_has_the_rates_of_its_data_sheet():
    profile = load_profile("tx2")
    assert profile.peak_flops["fp32"] == pytest.approx(256 * 2 * 1.3e9)
    assert profile.peak_flops["fp16"] == 2 * profile.peak_flops["fp32"]
    assert profile.bandwidth == pytest.approx(128 / 8 * 2 * 1.866e9, rel=1e-3)
    assert (profile.max_watts, profile.channel_multiple, profile.scope) == (15.0, 8, "module")
    assert not profile.calibrated


def test_a_bare_year_is_a_date(tmp_path, data):
    data["bandwidth"]["date"] = 2017
    assert load(tmp_path, data).numbers["bandwidth"].date == "2017"


@pytest.mark.parametrize("missing", ["source", "date", "value"])
def test_a_number_without_its_origin_is_refused(tmp_path, data, missing):
    del data["static_watts"][missing]
    with pytest.raises(UsageError, match=rf"static_watts.*'{missing}' is a required property"):
        load(tmp_path, data)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda d: d.update(bandwith=1), "bandwith"),
        (lambda d: d.pop("joules_per_byte"), "joules_per_byte"),
        (lambda d: d["peak_flops"].pop("bf16"), "bf16"),
        (lambda d: d["peak_flops"]["fp32"].update(value="fast"), "'fast' is not of type 'number'"),
        (lambda d: d["bandwidth"].update(value=0), "bandwidth.value"),
        (lambda d: d["efficiency"]["conv"].update(value=1.5), "efficiency.conv.value"),
        (lambda d: d["channel_multiple"].update(value=7.5), "channel_multiple.value"),
        (lambda d: d["bandwidth"].update(date="last year"), "bandwidth.date"),
        (lambda d: d.update(scope="room"), "scope"),
        (lambda d: d.update(scope_note=""), "scope_note"),
        (lambda d: d.update(fitted_on="the dense rows"), "fitted_on"),
        (lambda d: d.update(matches=[]), "matches"),
        (lambda d: d["bounds_factor"].update(value=1.5), "bounds_factor.value"),
        (lambda d: d["static_watts"].update(value=16), "watts out of order"),
        (lambda d: d["idle_watts"].update(value=6), "watts out of order"),
        (lambda d: d.update(schema_version=2), "schema version 2, newer"),
    ],
)
def test_what_is_not_well_formed_is_refused_by_place(tmp_path, data, change, said):
    change(data)
    with pytest.raises(UsageError, match=said) as caught:
        load(tmp_path, data)
    assert "mine.yaml" in caught.value.message


def test_a_fitted_profile_says_on_what_and_what_its_scope_does_not_say(tmp_path, data):
    assert (load_profile("tx2").scope_note, load_profile("tx2").fitted_on, load_profile("tx2").matches) == (
        None,
        (),
        (),
    )
    data.update(scope_note="external, point unknown", fitted_on=["VGG16, LT", "VGG16, SNIP"], matches=["Mine 1"])
    profile = load(tmp_path, data)
    assert (profile.scope_note, profile.scope) == ("external, point unknown", "module")
    assert profile.fitted_on == ("VGG16, LT", "VGG16, SNIP") and profile.matches == ("Mine 1",)


def test_a_calibrated_profile_may_claim_more(tmp_path, data):
    data["calibrated"] = True
    data["bounds_factor"]["value"] = 1.2
    assert load(tmp_path, data).bounds_factor == 1.2


@pytest.mark.parametrize("text", ["", "just words", "[1, 2]"])
def test_a_file_that_is_no_profile_at_all(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match="is not an energytrain device profile"):
        load_profile(str(path))


def test_an_unknown_profile_suggests_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'generic-cpu'"):
        load_profile("generic-gpu")
