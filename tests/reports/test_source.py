"""Which runs are shown one by one, and what is said of the others."""

import pytest
from reports.charts.making import run

from energytrain.errors import UsageError
from energytrain.reports.source import MOST_DETAILED, Source, detailed, without_details


@pytest.fixture(scope="module")
def sources():
    return [run(f"run-{number}") for number in range(30)]


def test_the_first_ones_where_none_are_named(sources):
    assert detailed(sources) == sources[:MOST_DETAILED]
    assert detailed(sources[:3]) == sources[:3] and detailed([]) == []


def test_runs_are_named_by_label_or_path_in_any_order_and_once(sources, tmp_path):
    elsewhere = Source("elsewhere", tmp_path / "run", sources[0].result)
    found = detailed([*sources, elsewhere], ["run-7", str(tmp_path / "x" / ".." / "run"), "run-7", "run-2"])
    assert [source.label for source in found] == ["run-7", "elsewhere", "run-2"]


def test_an_unknown_name_and_too_many_are_refused(sources):
    with pytest.raises(UsageError, match="unknown run 'run7'. Did you mean 'run-7'"):
        detailed(sources, ["run7"])
    with pytest.raises(UsageError, match="30 runs .* room for 20"):
        detailed(sources, [source.label for source in sources])


def test_runs_without_details_are_named_until_they_are_too_many(sources):
    assert without_details(sources, [source.label for source in sources]) == []
    assert without_details(sources[:3], ["run-1"]) == [
        "1 of 3 runs have details of their own; without them: run-0, run-2."
    ]
    (sentence,) = without_details(sources, ["run-0"])
    assert sentence.endswith("run-20 and 9 more.") and "run-21" not in sentence
