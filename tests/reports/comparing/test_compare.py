"""What changed between two runs and between two folders of runs, from committed results changed by hand."""

import copy
import json
import shutil
from pathlib import Path

import pytest
from reports.emulated import four

from energytrain.errors import UsageError
from energytrain.reports.comparing.compare import compare
from energytrain.reports.source import Source, read_sources

COMMITTED = Path(__file__).resolve().parents[2] / "kept_runs"


def source(method, seed=0, name=None, folder=None, path=None, **spec):
    """A run made of a committed one, which its folder is, too; spec: settings that are not the committed ones."""
    path = path or COMMITTED / f"{method}-s0"
    made = json.loads((path / "result.json").read_text())
    made["name"] = name or f"{method}-s{seed}"
    made["spec"].update(seed=seed, **spec)
    return Source(made["name"], path if folder is None else folder, made)


def changed(one, **values):
    """The run with other values, by their place in the result with "__" between."""
    made = copy.deepcopy(one.result)
    for place, value in values.items():
        *path, last = place.split("__")
        at = made
        for key in path:
            at = at[key]
        at[last] = value
    return Source(one.label, one.path, made)


def rows(sheet, column="figure"):
    """The rows of a sheet by the text of a column, each by the keys of its columns."""
    keys = [one.key for one in sheet.columns]
    assert all(len(row.cells) == len(keys) for row in sheet.rows)
    found = [dict(zip(keys, row.cells)) for row in sheet.rows]
    return {row[column].text: row for row in found}


def by_key(sheets):
    return {sheet.key: sheet for sheet in sheets}


def test_two_runs_side_by_side():
    dense, ticket = source("dense"), source("eb-ff")
    sheets = by_key(compare([dense], [ticket]))
    assert list(sheets) == ["settings", "changes", "tickets"]
    told = rows(sheets["changes"])
    ours, theirs = dense.result, ticket.result
    points = theirs["accuracy"]["test"] - ours["accuracy"]["test"]
    assert told["test accuracy"]["change"].value == pytest.approx(points)
    assert told["test accuracy"]["change"].text == f"{points:+.2f} points"
    flops = told["useful: FLOPs in fp32"]
    assert flops["change"].value == pytest.approx(theirs["useful"]["flops"] / ours["useful"]["flops"])
    assert (flops["first"].value, flops["second"].value) == (ours["useful"]["flops"], theirs["useful"]["flops"])
    assert told["train: FLOPs in fp32"]["second"].text == "none", "a phase that one of them has not"
    assert told["train: FLOPs in fp32"]["change"].value is None
    energy = told["useful energy"]
    quotient = theirs["useful"]["energy"]["joules"] / ours["useful"]["energy"]["joules"]
    assert energy["change"].value == pytest.approx(quotient)
    assert energy["change_low"].value < quotient < energy["change_high"].value
    assert "modelled, module" in energy["first"].text
    assert [column.title for column in sheets["changes"].columns][1:3] == ["dense-s0", "eb-ff-s0"]


def test_what_was_set_up_otherwise(tmp_path):
    one, other = source("eb-ff"), source("eb-ff", name="other", epochs=60, lr=0.05)
    found = rows(compare([one], [other])[0], "setting")
    assert {what: (row["first"].text, row["second"].text) for what, row in found.items()} == {
        "epochs": ("30", "60"),
        "lr": ("0.1", "0.05"),
    }
    again = tmp_path / "again"
    shutil.copytree(one.path, again)
    record = json.loads((again / "run.json").read_text())
    attempt = record["attempts"][0]
    attempt["commit"] = {"hash": "f" * 40, "dirty": True}
    attempt["versions"]["torch"] = "1.13.1"
    record["attempts"].append({**attempt, "number": 2, "machine": {**attempt["machine"], "threads": 8}})
    (again / "run.json").write_text(json.dumps(record))
    elsewhere = changed(Source("again", again, one.result), device__name="orin", headline="measured")
    found = rows(compare([one], [elsewhere])[0], "setting")
    assert found["commit"]["second"].text == "ffffffffffff with uncommitted changes"
    assert found["versions: torch"]["second"].text == "1.13.1"
    assert found["machine: threads"]["second"].text == "2 then 8"
    assert found["energy"]["second"].text == "measured"
    same = compare([one], [one])[0]
    assert same.rows == () and "are the same" in same.notes[0]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"device__name": "orin"}, "device differs"),
        ({"useful__energy__provenance": "measured"}, "provenance differs"),
        ({"useful__energy__scope": "wall"}, "scope differs"),
        ({"primary": ["another"]}, "host or primary channel differs"),
    ],
)
def test_unlike_energies_are_not_divided_and_the_note_says_why(values, why):
    one = source("eb-ff")
    row = rows(compare([one], [changed(one, **values)])[1])["useful energy"]
    assert row["change"].value is None and why in row["note"].text
    assert row["first"].value is not None, "both stand there all the same"


def test_a_missing_energy_is_a_word():
    one = source("eb-ff")
    empty = {**one.result["useful"]["energy"], "joules": None, "provenance": "missing", "reason": "no meter"}
    row = rows(compare([one], [changed(one, useful__energy=empty)])[1])["useful energy"]
    assert row["second"].text == "missing" and row["second"].value is None and row["change"].value is None


def test_accuracies_on_other_data_are_not_subtracted():
    row = rows(compare([source("eb-ff")], [source("eb-ff", dataset="digits")])[1])["test accuracy"]
    assert row["change"].value is None and "other data" in row["note"].text


def test_other_conditions_are_marked():
    def mode(number):
        summary = {"quantity": "state", "meter": "jtop conditions", "shares": {number: 1.0}, "seconds": 1.0}
        return changed(source("eb-ff"), conditions={"jtop power mode": summary})

    sheet = compare([mode("0")], [mode("3")])[1]
    assert "conditions differ" in rows(sheet)["useful energy"]["note"].text
    assert any("jtop power mode: 3" in note for note in sheet.notes)
    alike = compare([mode("0")], [mode("0")])[1]
    assert rows(alike)["useful energy"]["note"].text == "" and not any("Conditions" in note for note in alike.notes)


def test_a_what_if_is_divided_figure_by_figure_with_its_mark_and_its_flops_by_precision():
    dense, _, _, lowest = (Source(run["name"], COMMITTED / "eb-ff-s0", run) for run in four())
    sheet = compare([dense], [lowest])[1]
    told = rows(sheet)
    figures = lowest.result["what_if"]["figures"]
    for mark, figure in (("(a)", "same_time"), ("(b)", "paper_convention")):
        row = told[f"useful energy, what-if {mark}"]
        share = figures[figure]["joules"] / dense.result["useful"]["energy"]["joules"]
        assert row["change"].value == pytest.approx(share) and row["note"].text == "what-if"
    assert told["useful: FLOPs in bfp8"]["change"].value is None
    count = lowest.result["useful"]["matrix_flops"] / dense.result["useful"]["matrix_flops"]
    assert told["useful: paper's count"]["change"].value == pytest.approx(count)
    measured = compare([changed(dense, headline="measured")], [lowest])[1]
    assert all(
        row["change"].value is None for title, row in rows(measured).items() if title.startswith("useful energy")
    )


def with_mask(folder, one, kept):
    folder.mkdir()
    shutil.copy(one.path / "run.json", folder)
    ticket = {"widths": {"a": 4, "b": 4}, "kept": {"a": kept[0], "b": kept[1]}}
    (folder / "ticket.json").write_text(json.dumps(ticket))
    return Source(folder.name, folder, one.result)


def test_how_far_the_tickets_are_apart(tmp_path):
    one = source("eb-ff")
    first, second = (with_mask(tmp_path / n, one, kept) for n, kept in (("x", ([0, 1], [2])), ("y", ([0, 2], [2]))))
    row = rows(compare([first], [second])[2])["mask distance between the two"]
    assert row["change"].value == 2 / 8
    lost = rows(compare([first], [one])[2])
    assert lost["mask distance between the two"]["change"].value is None
    assert "has no ticket" in lost["mask distance between the two"]["note"].text
    later = changed(second, ticket__draw_epoch=one.result["ticket"]["draw_epoch"] + 3)
    assert rows(compare([first], [later])[2])["drawn after epoch"]["change"].value == 3
    assert [sheet.key for sheet in compare([source("dense")], [source("dense")])] == ["settings", "changes"]


def suite(accuracies, method="eb-ff", **values):
    """A run for each accuracy, one a seed."""
    made = []
    for seed, accuracy in enumerate(accuracies):
        made.append(changed(source(method, seed), accuracy__test=accuracy, **values))
    return made


def test_two_folders_are_compared_pair_by_pair():
    old = suite([70.0, 71.0, 72.0]) + suite([75.0], "dense")
    new = suite([71.0, 73.0, 75.0]) + suite([60.0], "small-dense")
    sheets = by_key(compare(old, new))
    found = rows(sheets["groups"], "group")
    assert list(found) == ["eb-ff"]
    row = found["eb-ff"]
    # Differences 1, 2, 3: mean 2, deviation 1, Student's t of two degrees of freedom.
    half = 4.3026527 / 3**0.5
    assert row["n"].value == 3 and row["points"].value == pytest.approx(2.0)
    assert (row["points_low"].value, row["points_high"].value) == pytest.approx((2 - half, 2 + half))
    assert row["verdict"].value == "cannot tell" and row["verdict"].more["seeds_needed"] == 4
    assert row["first_accuracy_percent"].more["values"] == [70.0, 71.0, 72.0]
    assert row["flops_ratio"].value == row["energy_ratio"].value == 1.0
    assert row["energy_ratio_low"].value < 1 < row["energy_ratio_high"].value
    only = rows(sheets["only"], "run")
    assert {name: row["where"].text for name, row in only.items()} == {
        "dense-s0": [column.title for column in sheets["groups"].columns][2].split(":")[0],
        "small-dense-s0": [column.title for column in sheets["groups"].columns][3].split(":")[0],
    }
    assert sheets["settings"].rows == ()


def test_a_margin_makes_small_changes_the_same():
    old, new = suite([70.0, 71.0, 72.0]), suite([70.1, 71.0, 71.9])
    (row,) = rows(by_key(compare(old, new, margin=1.0))["groups"], "group").values()
    assert row["verdict"].value == "same"
    (row,) = rows(by_key(compare(old, new))["groups"], "group").values()
    assert row["verdict"].value == "cannot tell"


def test_runs_of_other_names_are_matched_by_their_settings():
    old, new = suite([70.0, 71.0]), suite([71.0, 72.0])
    named = [Source(f"mine-{at}", one.path, {**one.result, "name": f"mine-{at}"}) for at, one in enumerate(new)]
    sheets = by_key(compare(old, named[::-1]))
    (row,) = rows(sheets["groups"], "group").values()
    assert row["points"].value == pytest.approx(1.0) and row["n"].value == 2 and "only" not in sheets
    other = [changed(one, spec__epochs=99) for one in named]
    assert list(by_key(compare(old, other))) == ["only"]


def test_of_settings_that_changed_under_a_name_it_says_in_how_many_pairs():
    old, new = suite([70.0, 71.0]), [changed(one, spec__epochs=60) for one in suite([71.0, 72.0])]
    new[1] = changed(new[1], status="interrupted")
    found = rows(by_key(compare(old, new))["settings"], "setting")
    assert {what: row["pairs"].value for what, row in found.items()} == {"epochs": 2, "status": 1}


def test_energies_of_unlike_kinds_have_no_ratio_in_a_group_either():
    old = suite([70.0, 71.0])
    new = [changed(one, useful__energy__provenance="measured") for one in suite([70.0, 71.0])]
    (row,) = rows(by_key(compare(old, new))["groups"], "group").values()
    assert row["energy_ratio"].value is None and "provenance differs" in row["note"].text
    assert row["first_useful_joules"].more["provenance"] == "modelled"
    assert row["second_useful_joules"].more["provenance"] == "measured"


def test_names_that_runs_gave_themselves_are_grouped_by_their_settings():
    old = [
        source("eb-ff", seed, f"eb-ff-vgg16-cifar10-s{seed}-{seed}{epochs:07d}", epochs=epochs)
        for epochs in (30, 60)
        for seed in (0, 1)
    ]
    found = rows(by_key(compare(old, old))["groups"], "group")
    assert {name: row["n"].value for name, row in found.items()} == {
        "eb-ff-vgg16-cifar10": 2,
        "eb-ff-vgg16-cifar10#2": 2,
    }


def test_folders_of_committed_runs_are_compared_as_they_stand():
    sources, skipped = read_sources(sorted(path.parent for path in COMMITTED.glob("*/run.json")))
    assert not skipped
    sheets = by_key(compare(sources, sources))
    assert len(sheets["groups"].rows) == len(sources) and "only" not in sheets
    assert all(row["points"].value == 0 for row in rows(sheets["groups"], "group").values())
    assert {"kept_runs (first)", "kept_runs (second)"} == {
        column.title.split(":")[0] for column in sheets["groups"].columns if "test acc" in column.title
    }


def test_one_side_without_runs_is_refused():
    with pytest.raises(UsageError, match="one side"):
        compare([source("eb-ff")], [])


def test_settings_that_older_runs_did_not_have_are_no_difference():
    new = [changed(one, spec__infer=True) for one in suite([71.0, 72.0])]
    old = suite([70.0, 71.0])
    for one in old:
        for later in ("infer", "average", "master_weights"):
            one.result["spec"].pop(later, None)
    named = [Source(f"mine-{at}", one.path, {**one.result, "name": f"mine-{at}"}) for at, one in enumerate(new)]
    sheets = by_key(compare(old, named))
    assert "only" not in sheets and [row["n"].value for row in rows(sheets["groups"], "group").values()] == [2]
    assert {what: row["first"].text for what, row in rows(sheets["settings"], "setting").items()} == {"infer": "no"}


def test_a_group_with_an_unfinished_run_says_so():
    old, new = suite([70.0, 71.0]), suite([71.0, 72.0])
    new[1] = changed(new[1], status="interrupted", accuracy__test=None)
    (row,) = rows(by_key(compare(old, new))["groups"], "group").values()
    assert row["note"].value == "not all finished" and row["points"].more["n"] == 1
