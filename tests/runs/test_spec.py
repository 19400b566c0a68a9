"""Identities are pinned: a run that exists must never stop being the run that its command means."""

import dataclasses

import pytest

from energytrain.errors import UsageError
from energytrain.runs import spec as spec_module
from energytrain.runs.spec import RunSpec, folder_name, identity


def test_identities_are_the_pinned_ones(paper_spec):
    assert identity(paper_spec) == "8b6bc9f4161ce01086822b46b124c513ebff47caa62fbc861b41291e61f0138e"
    again = dataclasses.replace(paper_spec, trial=1)
    assert identity(again) == "4a74e0da6a6a841aee2a82c78164cf4efdccd4482a91e78a5c586bfb659aa256"
    assert folder_name(paper_spec) == "eb-ff-vgg16-cifar10-s0-" + identity(paper_spec)[:8]


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(RunSpec) if f.name != "infer"])
def test_every_field_is_part_of_the_identity(field, paper_spec):
    value = getattr(paper_spec, field)
    other = {str: "other", float: 0.123, int: 77, bool: True, tuple: (1, 2), type(None): 5}[type(value)]
    if value is True:
        other = False
    assert identity(dataclasses.replace(paper_spec, **{field: other})) != identity(paper_spec)


def test_inference_can_be_asked_for_later_so_it_is_no_part_of_the_identity(paper_spec):
    asked = dataclasses.replace(paper_spec, infer=True)
    assert identity(asked) == identity(paper_spec) and folder_name(asked) == folder_name(paper_spec)
    assert RunSpec.from_json(asked.to_json()).infer and not paper_spec.infer


def test_a_field_added_later_leaves_old_identities_alone(monkeypatch, paper_spec):
    """As if `gamma` had been added after version 1: at its legacy value it is not hashed, at any other it is."""
    monkeypatch.setitem(spec_module.LEGACY_VALUES, "gamma", 0.1)
    without = {name: value for name, value in paper_spec.to_json().items() if name != "gamma"}
    old = RunSpec.from_json(without)
    assert old == paper_spec and identity(old) == identity(paper_spec)
    assert identity(dataclasses.replace(paper_spec, gamma=0.2)) != identity(paper_spec)


def test_json_round_trip_is_exact(paper_spec):
    assert RunSpec.from_json(paper_spec.to_json()) == paper_spec


@pytest.mark.parametrize("change", [{"foreign": 1}, {"seed": None}])
def test_a_specification_of_another_version_is_refused(change, paper_spec):
    data = paper_spec.to_json()
    if "seed" in change:
        del data["seed"]
    else:
        data.update(change)
    with pytest.raises(UsageError, match="another version"):
        RunSpec.from_json(data)
