"""The forms of Tables 2 and 3 on runs made by hand: what stands where, over seeds, against whom, and what is marked."""

import copy
import statistics

import pytest
from reports.charts.making import energy, run

from energytrain.reports.source import Source
from energytrain.reports.tables.forms import Options, sheets
from energytrain.reports.tables.paper_units import unit_for

CIFAR = {"model": "vgg16", "dataset": "cifar10", "width": 1.0, "limit": None, "epochs": 160}
DENSE = (93.0, 92.8, 93.2)
OURS = (92.9, 92.6, 93.2)
FF = (900.0, 920.0, 910.0)  # joules, and with as many GFLOPs
NS = (1800.0, 1900.0, 1850.0)
SNIP = (1500.0, 1500.0, 1500.0)


def of(method, accuracies, joules, p=0.5, first=0, **changes):
    """A run for each seed; its FLOPs are a thousand million for each joule."""
    made = []
    for seed, (accuracy, spent) in enumerate(zip(accuracies, joules), start=first):
        settings = {**CIFAR, "prune_ratio": p, **changes}
        one = run(f"{method}-s{seed}", accuracy, spent, method, seed, flops=int(spent * 1e9), **settings)
        if method == "dense":
            one.result["ticket"] = None
        else:
            one.result["ticket"]["prune_ratio"] = p
        made.append(one)
    return made


def all_runs():
    return [
        *of("dense", DENSE, (2000.0,) * 3),
        *of("ns", (93.5, 93.1, 93.9), NS),
        *of("snip", (92.0, 92.1, 92.2), SNIP),
        *of("eb-ff", OURS, FF),
    ]


def rows_of(sheet, **wanted):
    """Rows as dicts of cells by key, of those that have these values."""
    keys = [column.key for column in sheet.columns]
    found = [{**dict(zip(keys, row.cells)), "row": row} for row in sheet.rows]
    return [row for row in found if all(row[key].value == value for key, value in wanted.items())]


def only(sheet, kind="group", **wanted):
    (row,) = [row for row in rows_of(sheet, **wanted) if row["row"].kind == kind]
    return row


def test_a_row_a_method_and_a_column_a_ratio():
    runs = [*all_runs(), *of("eb-ff", (92.0,) * 3, (700.0, 710.0, 705.0), 0.7)]
    table, places = sheets(runs, "table2")
    keys = [column.key for column in table.columns]
    assert [key for key in keys if key.startswith("retrained")] == [
        "retrained_accuracy_percent_unpruned",
        "retrained_accuracy_percent_p0.5",
        "retrained_accuracy_percent_p0.7",
    ]
    assert [row["method"].text for row in rows_of(table) if row["row"].kind == "group"] == [
        "dense",
        "snip",
        "ns",
        "eb-ff",
    ]
    ours = only(table, method="eb-ff")
    assert ours["retrained_accuracy_percent_p0.5"].value == pytest.approx(statistics.fmean(OURS))
    assert ours["retrained_accuracy_percent_p0.5"].text == f"92.90 ± {statistics.stdev(OURS):.2f}"
    assert ours["energy_joules_p0.5"].value == pytest.approx(910) and ours["energy_joules_p0.5"].more["sd"] == 10
    assert ours["flops_p0.5"].value == pytest.approx(910e9) and ours["energy_joules_p0.7"].value == 705
    assert only(table, method="ns")["energy_joules_p0.7"].text == "", "nothing was run there"
    assert only(table, method="dense")["retrained_accuracy_percent_p0.5"].text == ""
    assert ours["provenance"].text == "modelled, module (tx2)"
    assert len(rows_of(places)) == 5


def test_one_prefix_a_column_and_it_is_in_the_title():
    table, _ = sheets(all_runs(), "table2")
    assert "energy (kJ) / FLOPs (TFLOPs)" in table.title
    assert "kJ / TFLOPs, p = 50 %" in [column.title for column in table.columns]
    ours = only(table, method="eb-ff")
    assert ours["energy_joules_p0.5"].text == "0.9100 ± 0.0100" and ours["flops_p0.5"].text == "0.9100 ± 0.0100"


@pytest.mark.parametrize("largest, prefix", [(6.3e6, "k"), (99.0, ""), (120.0, "k"), (3e7, "M"), (0.5, "")])
def test_the_papers_prefix_is_kept_while_it_is_readable(largest, prefix):
    assert unit_for([largest, largest / 2], "k").prefix == prefix


def test_of_few_seeds_every_point_the_median_and_the_range_are_shown():
    _, places = sheets(all_runs(), "table2")
    lines = only(places, method="eb-ff")["accuracy_percent"].text.split("\n")
    assert lines[1:] == ["median 92.90, 92.60 to 93.20", "92.90, 92.60, 93.20"]
    assert only(places, method="eb-ff")["seeds"].text == "0, 1, 2"
    assert only(places, method="eb-ff")["joules"].text.split("\n")[2] == "0.9000, 0.9200, 0.9100"
    many = of("eb-ff", [90 + n / 10 for n in range(6)], [900.0 + n for n in range(6)])
    _, places = sheets(many, "table2")
    assert "\n" not in only(places, method="eb-ff")["accuracy_percent"].text


def test_bounds_of_a_mean_are_those_of_the_device_and_not_of_the_seeds():
    _, places = sheets(all_runs(), "table2")
    row = only(places, method="eb-ff")
    # One profile's error is in all of them alike, so that it does not average out.
    assert row["joules_low"].value == pytest.approx(0.9 * 910) and row["joules_high"].value == pytest.approx(1.1 * 910)


def test_the_improvement_is_of_the_variants_own_runs_over_the_strongest_rival_of_each_cell():
    table, _ = sheets(all_runs(), "table2")
    row = only(table, "improvement", method="eb-ff")
    accuracy, spent, flops = (row[f"{key}_p0.5"] for key in ("retrained_accuracy_percent", "energy_joules", "flops"))
    by_seed = [a - b for a, b in zip(OURS, (93.5, 93.1, 93.9))]
    assert accuracy.more["rival"] == "ns" and accuracy.more["points"] == pytest.approx(statistics.fmean(by_seed))
    half = 4.302653 * statistics.stdev(by_seed) / 3**0.5  # Student's t of two degrees of freedom
    assert accuracy.more["low"] == pytest.approx(statistics.fmean(by_seed) - half, rel=1e-5)
    assert accuracy.more["pairs"] == 3 and accuracy.text.startswith("-0.60 (ns)\n[")
    assert spent.more["rival"] == "snip" and spent.more["times"] == pytest.approx(sum(SNIP) / sum(FF))
    assert flops.more["rival"] == "snip"
    assert flops.more["times"] == pytest.approx(statistics.fmean(a / b for a, b in zip(SNIP, FF)), rel=1e-6)
    assert row["energy_joules_p0.5"].value is None, "a ratio is no energy"
    assert rows_of(table)[-1]["row"].kind == "improvement"


def test_runs_without_a_common_seed_are_compared_unpaired_and_say_so():
    runs = [*of("ns", (93.5, 93.1), NS[:2], first=5), *of("eb-ff", OURS, FF)]
    row = only(sheets(runs, "table2")[0], "improvement", method="eb-ff")
    for key in ("retrained_accuracy_percent_p0.5", "energy_joules_p0.5", "flops_p0.5"):
        assert "not paired" in row[key].text and row[key].more["pairs"] == 0 and "low" not in row[key].more
    assert row["energy_joules_p0.5"].more["times"] == pytest.approx(1850 / 910)


def test_energies_of_another_kind_are_neither_ranked_nor_divided():
    runs = all_runs()
    for source in runs:
        if source.result["spec"]["method"] == "snip":
            source.result.update(headline="measured", primary=["VDD_IN"])
            source.result["useful"]["energy"] = energy(100.0, "measured")
    table, _ = sheets(runs, "table2")
    row = only(table, "improvement", method="eb-ff")
    assert row["energy_joules_p0.5"].more["rival"] == "ns", "snip's measured joules are less, but not comparable"
    assert row["flops_p0.5"].more["rival"] == "snip"
    assert any("not to be ranked" in note for note in table.notes)
    assert "measured, module" in only(table, method="snip")["provenance"].text
    alone = [run for run in runs if run.result["spec"]["method"] != "ns"]
    row = only(sheets(alone, "table2")[0], "improvement", method="eb-ff")
    assert row["energy_joules_p0.5"].text == "not compared" and "times" not in row["energy_joules_p0.5"].more


def test_a_place_with_energies_of_two_kinds_has_no_one_energy():
    runs = of("eb-ff", OURS, FF)
    runs[0].result.update(headline="measured", primary=["VDD_IN"])
    runs[0].result["useful"]["energy"] = energy(500.0, "measured", "wall")
    runs[1].result["useful"]["energy"] = energy(None)
    cell = only(sheets(runs, "table2")[0], method="eb-ff")["energy_joules_p0.5"]
    assert cell.value is None and cell.more["missing"] == 1 and len(cell.more["kinds"]) == 2
    lines = cell.text.split("\n")
    assert "measured, wall (tx2)" in lines[0] and "modelled, module (tx2)" in lines[1] and lines[2] == "missing (n = 1)"


def test_power_modes_that_differ_are_marked():
    runs = all_runs()
    for source in runs:
        mode = "MAXQ" if source.result["spec"]["method"] == "snip" else "MAXN"
        source.result["conditions"] = {
            "power mode": {"quantity": "state", "shares": {mode: 1.0}, "mean": None, "max": None, "share": None}
        }
    table, places = sheets(runs, "table2")
    row = only(table, "improvement", method="eb-ff")
    assert row["energy_joules_p0.5"].text.endswith("conditions differ")
    assert "conditions differ" not in row["retrained_accuracy_percent_p0.5"].text, "ns ran in the same mode"
    assert "MAXQ" in only(places, method="snip")["differs"].text
    assert any("MAXQ" in note for note in table.notes)


def test_a_published_cell_stands_beside_ours_and_the_stitched_row_is_labelled():
    plain, _ = sheets(all_runs(), "table2")
    assert not [row for row in plain.rows if row.kind == "published"]
    table, places = sheets(all_runs(), "table2", Options(published=True))
    theirs = [row for row in rows_of(table) if row["row"].kind == "published"]
    assert [row["method"].text for row in theirs] == [
        "snip, as published",
        "ns, as published",
        "eb-ff, as published",
        "improvement, as published: the best of different variants",
    ]
    # Table 2 of the paper: VGG16, CIFAR-10, p = 50 %.
    ff = theirs[2]
    assert ff["retrained_accuracy_percent_p0.5"].text == "93.26" and ff["energy_joules_p0.5"].value == 213.4e3
    assert ff["energy_joules_p0.5"].text == "213.4" and ff["flops_p0.5"].text == "10.8"
    assert ff["provenance"].text == "as published"
    assert theirs[3]["energy_joules_p0.5"].text == "8.6 x" and theirs[3]["flops_p0.5"].text == "1.4 x"
    assert "energy (kJ) / FLOPs (PFLOPs)" in table.title
    assert not any("are not the paper's" in note for note in table.notes)
    assert sum(row.kind == "published" for row in places.rows) == 3


def test_cells_that_contradict_themselves_are_flagged():
    runs = of("thinet", (91.0,), (500.0,), 0.7, model="preresnet101")
    table, _ = sheets(runs, "table2", Options(published=True))
    (theirs, *_) = [row for row in rows_of(table) if row["row"].kind == "published"]
    assert theirs["energy_joules_p0.7"].text == "1901†" and theirs["energy_joules_p0.7"].more["flag"]
    assert any(note.startswith("†") and "less than the 3161 kJ" in note for note in table.notes)


def test_runs_that_are_not_the_papers_say_so():
    runs = of("eb-ff", OURS, FF, width=0.25, limit=10000, epochs=30)
    notes = " ".join(sheets(runs, "table2", Options(published=True))[0].notes)
    assert "width 0.25 and not 1, 10,000 training images and not all, 30 epochs and not 160" in notes
    away = sheets(of("eb-ff", OURS, FF, dataset="digits"), "table2", Options(published=True))[0]
    assert any("The paper has no cell" in note for note in away.notes)


def test_variants_of_a_method_and_unlike_settings_stand_apart():
    runs = [*of("eb-ff", OURS, FF), *of("eb-ff", OURS, FF, l1=0.0), *of("ns", OURS, NS, epochs=30)]
    table, _ = sheets(runs, "table2")
    groups = [row for row in rows_of(table) if row["row"].kind == "group"]
    assert [(row["method"].text, row["setting"].text) for row in groups] == [
        ("eb-ff (l1 = 0)", "epochs = 160"),
        ("eb-ff (l1 = 0.0001)", "epochs = 160"),
        ("ns", "epochs = 30"),
    ]
    assert not [row for row in table.rows if row.kind == "improvement"], "no rival was run in the same setting"


def test_a_control_whose_width_follows_from_its_match_is_one_row_of_its_setting():
    runs = all_runs()
    for seed, width in enumerate((0.7, 0.72)):
        (control,) = of("small-dense", (90.0,), (500.0,), width=width, match=f"macs:{seed}")
        control.result["spec"]["seed"], control.result["ticket"] = seed, None
        runs.append(control)
    row = only(sheets(runs, "table2")[0], method="small-dense")
    assert row["seeds"].value == 2 and row["setting"].text == "" and row["retrained_accuracy_percent_p0.5"].value == 90


def test_unfinished_runs_are_left_out_by_name():
    runs = all_runs()
    runs[-1].result["status"] = "interrupted"
    table, _ = sheets(runs, "table2")
    assert only(table, method="eb-ff")["seeds"].value == 2
    assert "Not finished and left out: eb-ff-s2." in table.notes


def test_what_if_energies_carry_their_mark_and_are_two():
    from reports.emulated import four

    runs = [Source(result["name"], None, {**result, "trajectory": None, "inference": None}) for result in four()]
    table, places = sheets(runs, "table2")
    cell = next(row for row in rows_of(table) if row["method"].text == "eb-ll")
    (key,) = [key for key in cell if key.startswith("energy_joules_p")]
    lines = cell[key].text.split("\n")
    assert "what-if (a)" in lines[0] and "what-if (b)" in lines[1] and cell[key].value is None
    assert "what-if" not in next(row for row in rows_of(table) if row["method"].text == "eb-ff")[key].text
    assert any("8-bit arithmetic was emulated" in note for note in table.notes)


def test_table3_has_the_change_against_the_unpruned_network_by_seed():
    (table,) = sheets(all_runs(), "table3")
    changes = [a - b for a, b in zip(OURS, DENSE)]
    cell = only(table, method="eb-ff")["points_over_unpruned"]
    assert cell.value == pytest.approx(statistics.fmean(changes)) and cell.more["pairs"] == 3
    half = 4.302653 * statistics.stdev(changes) / 3**0.5
    assert cell.more["low"] == pytest.approx(statistics.fmean(changes) - half, rel=1e-5)
    assert only(table, method="dense")["points_over_unpruned"].text == ""
    alone = copy.deepcopy(all_runs())
    for source in alone[:3]:
        source.result["spec"]["seed"] += 10
    cell = only(sheets(alone, "table3")[0], method="eb-ff")["points_over_unpruned"]
    assert cell.text == "-0.10\nnot paired" and cell.more == {"pairs": 0}


def test_a_margin_brings_verdicts():
    (table,) = sheets(all_runs(), "table3", Options(margin=5.0))
    assert only(table, method="eb-ff")["verdict"].value == "same"
    assert any("margin of 5 points" in note for note in table.notes)
    one = [source for source in all_runs() if source.result["spec"]["seed"] == 0]
    assert only(sheets(one, "table3")[0], method="eb-ff")["verdict"].text == ""


def test_published_rows_of_table3_have_the_papers_units():
    settings = {**CIFAR, "model": "resnet18", "dataset": "folder", "epochs": 90}
    runs = of("eb-ff", (68.0,), (1e6,), 0.3, **{key: value for key, value in settings.items()})
    (table,) = sheets(runs, "table3", Options(published=True))
    theirs = only(table, "published", method="eb-ff")
    assert theirs["joules"].text == "84.65" and theirs["flops"].text == "952.46"
    assert theirs["accuracy_percent"].text == "68.28" and theirs["points_over_unpruned"].text == "-1.29"
    assert "FLOPs (PFLOPs) and energy (MJ)" in table.title
    assert any("taken for ImageNet" in note for note in table.notes)


def test_no_runs_make_empty_tables():
    for form in ("table2", "table3", "runs", "phases", "layers"):
        assert all(sheet.rows == () for sheet in sheets([], form))


def test_repeats_of_one_seed_are_not_further_seeds():
    """On a CPU they are equal to the bit, so a deviation over them says nothing of seeds."""
    runs = []
    for trial in range(3):
        runs += of("dense", (93.0,), (2000.0,), trial=trial) + of("eb-ff", (92.9,), (900.0,), trial=trial)
        runs += of("ns", (93.5,), (1800.0,), trial=trial)
    table, places = sheets(runs, "table2", Options(margin=0.3))
    assert only(table, method="eb-ff")["seeds"].value == 1
    better = only(table, "improvement", method="eb-ff")
    accuracy, flops = better["retrained_accuracy_percent_p0.5"], better["flops_p0.5"]
    assert accuracy.more["verdict"] == "cannot tell" and accuracy.more["low"] is None and accuracy.more["pairs"] == 1
    assert flops.more["times"] == 2.0 and flops.more["low"] is None
    assert only(places, method="eb-ff")["verdict"].value == "cannot tell"


def test_whether_inference_was_measured_divides_no_row():
    ours = of("eb-ff", OURS, FF)
    ours[0].result["spec"]["infer"] = True
    assert only(sheets(ours, "table2")[0], method="eb-ff")["seeds"].value == 3


def test_runs_that_were_given_their_ticket_stand_apart_and_beat_nobody():
    ours, given, cheap = of("eb-ff", OURS, FF), of("eb-ff", OURS, (300.0,) * 3), of("lt", (94.0,) * 3, (100.0,) * 3)
    for one in (*given, *cheap):
        one.result["ticket"]["given"] = True
    table, _ = sheets([*ours, *given, *cheap, *of("ns", (93.5,) * 3, NS)], "table2")
    labels = [row["method"].text for row in rows_of(table) if row["row"].kind == "group"]
    assert labels == ["lt (given ticket)", "ns", "eb-ff", "eb-ff (given ticket)"]
    (better,) = [row for row in rows_of(table) if row["row"].kind == "improvement"]
    assert better["method"].value == "eb-ff" and better["flops_p0.5"].more["rival"] == "ns"
    assert better["flops_p0.5"].more["times"] == pytest.approx(statistics.fmean(n / f for n, f in zip(NS, FF)))
    assert any("given their ticket" in note.lower() and "lt-s0" in note for note in table.notes)


def test_what_of_our_runs_is_not_the_papers_is_said():
    odd = of("eb-ff", OURS, FF, random_labels=True, batch_size=64)
    notes = " ".join(sheets(odd, "table2", Options(published=True))[0].notes)
    assert "random labels" in notes and "batches of 64 and not 256" in notes


def test_runs_that_trained_only_some_epochs_of_each_phase_say_so():
    table, _ = sheets([*of("dense", DENSE, (2000.0,) * 3), *of("eb-ff", OURS, FF, measure_epochs=2)], "table2")
    labels = [row["method"].text for row in rows_of(table) if row["row"].kind == "group"]
    assert labels == ["dense", "eb-ff (scaled from 2 epochs)"]
