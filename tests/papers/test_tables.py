"""The papers' tables are whole and typed; those of "The sooner the better" and of Renda et al. hold where unflagged."""

import doctest
import subprocess
import sys

import pytest

from energytrain.errors import UsageError
from energytrain.papers import tables
from energytrain.papers.tables import paper_notes, paper_source, paper_table, paper_tables

SIZES = {
    "eb-table1": 32,
    "eb-table2": 96,
    "eb-table2-improvements": 12,
    "eb-table3": 13,
    "eb-table4": 32,
    "rewinding-table2": 5,
    "sooner-figure1": 154,
    "sooner-figure3": 15,
    "sooner-table1": 4,
    "sooner-table2": 18,
    "sooner-table3": 21,
    "sooner-table4": 5,
}


def _by(name, *columns):
    return {tuple(row[column] for column in columns): row for row in paper_table(name)}


def _flagged(name):
    """The flagged cells of a table: the row's number and the column."""
    return {(number, row["flag"].split(":")[0]) for number, row in enumerate(paper_table(name)) if row["flag"]}


def test_every_table_is_whole():
    assert {name: len(paper_table(name)) for name in paper_tables()} == SIZES
    for name, title in paper_tables().items():
        assert title and (" Table " in paper_source(name) or " Figure " in paper_source(name))
        assert all(note.endswith(".") for note in paper_notes(name))


@pytest.mark.parametrize("name", SIZES)
def test_a_flag_names_a_cell_of_its_row_and_says_why(name):
    rows = paper_table(name)
    assert all(list(row) == list(rows[0]) and list(row)[-1] == "flag" for row in rows)
    for number, column in _flagged(name):
        assert rows[number][column] is not None
        assert len(rows[number]["flag"].split(": ", 1)[1].split()) > 4


@pytest.mark.parametrize("name", SIZES)
def test_a_column_has_one_type(name):
    rows = paper_table(name)
    for column in rows[0]:
        kinds = {type(row[column]) for row in rows} - {type(None)}
        assert len(kinds) <= 1, column
        if column.endswith(("percent", "kj", "mj", "pflops", "ratio", "distance")):
            assert kinds == {float}, column
        if column.endswith("epoch"):
            assert kinds == {int}, column


def test_a_table_that_is_not_there_is_an_error_with_the_nearest_name():
    with pytest.raises(UsageError, match="Did you mean 'eb-table2'"):
        paper_table("eb-tabel2")


def test_the_docstrings_examples_hold():
    assert doctest.testmod(tables).failed == 0


def test_reading_a_table_loads_neither_torch_nor_pandas_nor_numpy():
    code = (
        "import sys; from energytrain.papers.tables import paper_table; paper_table('eb-table2'); "
        "print(sorted({'torch', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_grid_of_epochs_is_complete_and_its_diagonal_is_the_one_shot_row():
    grid = _by("sooner-figure1", "what", "prune_epoch", "rewind_epoch")
    columns = [10, *range(20, 201, 20)]
    rows = [0, 5, 10, *range(20, 201, 20)]
    assert set(grid) == {("baseline", s, None) for s in columns} | {("retrained", s, v) for s in columns for v in rows}
    one_shot = [
        row for row in paper_table("sooner-table2") if row["pruning"] == "one-shot" and row["model"] == "ResNet20"
    ]
    assert [row["accuracy_percent"] for row in one_shot] == [
        grid["retrained", row["last_epoch"], row["last_epoch"]]["accuracy_percent"] for row in one_shot
    ]


def test_the_baseline_of_the_grid_is_not_the_appendix_s():
    baseline = {row["prune_epoch"]: row for row in paper_table("sooner-figure1") if row["what"] == "baseline"}
    table4 = next(row for row in paper_table("sooner-table4") if row["baseline_percent"] is not None)
    assert round(baseline[200]["accuracy_percent"] - table4["baseline_percent"], 2) == -0.45
    assert [row["prune_epoch"] for row in paper_table("sooner-figure1") if row["flag"]] == [200]


def test_distances_stay_within_what_two_masks_can_differ():
    distances = _by("sooner-figure3", "epoch", "other_epoch")
    assert set(distances) == {(a, b) for a in range(100, 201, 20) for b in range(a + 20, 201, 20)}
    assert max(row["distance"] for row in distances.values()) < min(2 * min(0.8, 0.2), 2 * 0.8 * 0.2)


def test_the_steps_of_table_1_are_not_equation_6_s_and_end_beyond_the_training():
    rows = paper_table("sooner-table1")
    cubic = [0.8 - 0.8 * (1 - step / 4) ** 3 for step in (1, 2, 3, 4)]
    assert [round(100 * ratio, 2) for ratio in cubic] == [46.25, 70.0, 78.75, 80.0]
    assert [row["prune_ratio"] for row in rows] != pytest.approx(cubic, abs=0.05)
    assert rows[0]["one_shot_percent"] == rows[0]["gradual_percent"]
    assert _flagged("sooner-table1") == {(n, "epoch") for n, row in enumerate(rows) if row["epoch"] > 200}


def test_the_changes_of_table_4_against_the_cells_they_are_made_of():
    best = {}
    for row in paper_table("sooner-table2") + paper_table("sooner-table3"):
        if row["pruning"] == "gradual":
            key = row["model"]
            best[key] = max(best.get(key, (0.0, 0)), (row["accuracy_percent"], row["last_epoch"]))
    wrong = set()
    for number, row in enumerate(paper_table("sooner-table4")):
        if row["method"] != "GP + EWT":
            continue
        accuracy, end = best[row["model"]]
        assert (row["pruning_epochs"], row["total_epochs"]) == (end, end + row["retrain_epochs"])
        change = round(accuracy - row["baseline_percent"], 2)
        if abs(change - row["accuracy_change_percent"]) > 0.021:
            assert row["flag"].endswith(f"{change:.2f}")
            wrong.add((number, "accuracy_change_percent"))
    assert wrong == _flagged("sooner-table4") and len(wrong) == 2


def test_22_percent_of_the_epochs_is_what_table_4_says():
    epochs = {(row["method"], row["model"]): row["total_epochs"] for row in paper_table("sooner-table4")}
    assert round(100 * epochs["GP + EWT", "ResNet50"] / epochs["IP + WT", "ResNet50"]) == 22


def test_the_networks_of_the_rewinding_paper():
    rows = _by("rewinding-table2", "model")
    assert {model: row["parameters"] for (model,), row in rows.items()} == {
        "ResNet-20": 271_000,
        "ResNet-56": 852_000,
        "ResNet-110": 1_720_000,
        "ResNet-34": 21_800_000,
        "ResNet-50": 25_500_000,
    }
    assert {row["dataset"]: (row["epochs"], row["batch_size"], row["milestones"]) for row in rows.values()} == {
        "CIFAR-10": (182, 128, "91 136"),
        "ImageNet": (90, 1024, "30 60 80"),
    }
