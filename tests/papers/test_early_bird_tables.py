"""The Early-Bird paper's tables against themselves and its bill: unflagged cells hold, flagged ones contradict."""

import math

import pytest

from energytrain.costs.paper_bill import epochs_of, training_flops
from energytrain.papers.tables import paper_notes, paper_table

NETWORKS = {"VGG16": 630_000_000, "PreResNet-101": 310_000_000}
CIFAR, IMAGENET = 50_000, 1_281_167
RIVALS = ("LT (one-shot)", "SNIP", "NS", "ThiNet")
FF, REINIT, LF, LL = "EB Train (FF)", "EB Train (re-init)", "EB Train (LF)", "EB Train (LL)"
METHODS = {"LT (one-shot)": "lt", "SNIP": "snip", "NS": "ns", "ThiNet": "thinet", FF: "eb-ff", REINIT: "eb-reinit"}

# Solved from the table's own cells, not printed in the paper: FLOPs of the pruned network in 0.01 G for NS and ThiNet,
# draw epoch and FLOPs for EB. Only LT, SNIP and ThiNet on VGG16, (1 - p)^2 x 0.63 G, could have failed to fit.
SOLVED = {
    ("PreResNet-101", "CIFAR-10", 0.3): (27, 24, (32, 26)),
    ("PreResNet-101", "CIFAR-10", 0.5): (22, 13, (43, 21)),
    ("PreResNet-101", "CIFAR-10", 0.7): (15, 5, (14, 13)),
    ("VGG16", "CIFAR-10", 0.3): (51, 31, (23, 51)),
    ("VGG16", "CIFAR-10", 0.5): (44, 16, (18, 43)),
    ("VGG16", "CIFAR-10", 0.7): (36, 6, None),
    ("PreResNet-101", "CIFAR-100", 0.3): (26, 24, (24, 26)),
    ("PreResNet-101", "CIFAR-100", 0.5): (21, 13, (26, 21)),
    ("PreResNet-101", "CIFAR-100", 0.7): (12, 5, (14, 12)),
    ("VGG16", "CIFAR-100", 0.1): (59, 51, (25, 58)),
    ("VGG16", "CIFAR-100", 0.3): (50, 31, (20, 49)),
    ("VGG16", "CIFAR-100", 0.5): (37, 16, (13, 39)),
}


@pytest.fixture(scope="module")
def table2():
    """Rows by (model, data set, p), then by method."""
    cells = {}
    for row in paper_table("eb-table2"):
        cells.setdefault((row["model"], row["dataset"], row["prune_ratio"]), {})[row["method"]] = row
    return cells


def _flagged_cells(rows, column):
    return {key for key, row in rows.items() if row["flag"] and row["flag"].startswith(column + ":")}


def _flat(table2):
    return {(*key, method): row for key, rows in table2.items() for method, row in rows.items()}


def test_the_table_is_complete(table2):
    assert set(table2) == set(SOLVED)
    assert {tuple(rows) for rows in table2.values()} == {(*RIVALS, REINIT, FF, LF, LL)}


def test_flops_cells_are_the_paper_s_bill(table2):
    for key, rows in table2.items():
        ns, thinet, early_bird = SOLVED[key]
        pruned = {"NS": ns, "ThiNet": thinet}
        for method, name in METHODS.items():
            row = rows[method]
            if name.startswith("eb") and early_bird is None:
                continue
            draw_epoch, small = early_bird if name.startswith("eb") else (0, pruned.get(method, 0))
            dense_epochs, pruned_epochs = epochs_of(name, 160, draw_epoch)
            total = training_flops(CIFAR, NETWORKS[key[0]], dense_epochs, small * 10**7, pruned_epochs)
            assert total / 1e15 == pytest.approx(row["train_pflops"], abs=0.0601), (key, method)
            assert not (row["flag"] or "").startswith("train_pflops")


def test_the_one_flops_cell_that_is_impossible(table2):
    """FF stops 160 epochs after its start, re-init as many after the draw; both search alike."""
    impossible = {key for key, rows in table2.items() if rows[FF]["train_pflops"] >= rows[REINIT]["train_pflops"]}
    assert impossible == {("VGG16", "CIFAR-10", 0.7)}
    assert _flagged_cells(_flat(table2), "train_pflops") == {("VGG16", "CIFAR-10", 0.7, FF)}
    copied = table2["VGG16", "CIFAR-100", 0.5][FF]["train_pflops"]
    assert table2["VGG16", "CIFAR-10", 0.7][FF]["train_pflops"] == copied == 9.85


def test_masked_networks_have_dense_costs_and_precision_has_no_flops(table2):
    for rows in table2.values():
        assert rows["LT (one-shot)"]["energy_kj"] == pytest.approx(2 * rows["SNIP"]["energy_kj"], rel=2e-4)
        assert rows[LL]["train_pflops"] == rows[LF]["train_pflops"]


def test_flagged_energies_of_thinet_leave_too_little_for_retraining(table2):
    """SNIP's energy is one dense training's; what ThiNet has beyond it is its retraining's."""
    flagged = {}
    for key, rows in table2.items():
        dense, row = rows["SNIP"]["energy_kj"], rows["ThiNet"]
        left = row["energy_kj"] / dense - 1
        share_of_flops = SOLVED[key][1] * 10**7 / NETWORKS[key[0]]
        if left < 0:
            flagged[key] = "less than"
        elif left < share_of_flops / 3:
            flagged[key] = "retraining is left less than a third"
        else:
            assert 0.8 < left / share_of_flops < 1.2
    assert {key for key, rows in table2.items() if rows["ThiNet"]["flag"]} == set(flagged)
    assert all(why in table2[key]["ThiNet"]["flag"] for key, why in flagged.items())
    assert sorted(flagged.values()).count("less than") == 5 and len(flagged) == 10


def _draw_epoch_by_energy(rows):
    """E(re-init) - E(FF) = e E_p and E(FF) = e E_d + (160 - e) E_p, a quadratic in e; its smaller root."""
    dense = rows["SNIP"]["energy_kj"] / 160
    more = rows[REINIT]["energy_kj"] - rows[FF]["energy_kj"]
    b = rows[FF]["energy_kj"] + more
    return (b - math.sqrt(b * b - 4 * dense * 160 * more)) / (2 * dense)


def _half_a_digit(value):
    """Half a unit of the last of three printed digits."""
    return 0.5 * 10 ** (math.floor(math.log10(value)) - 2)


def test_flagged_energies_of_early_bird_imply_another_draw_epoch_than_its_flops(table2):
    apart = {}
    for key, rows in table2.items():
        if SOLVED[key][2] is None:
            continue
        by_flops, small = SOLVED[key][2]
        per_epoch = training_flops(CIFAR, small * 10**7, 1) / 1e15
        more = rows[REINIT]["train_pflops"] - rows[FF]["train_pflops"]
        doubt = (_half_a_digit(rows[REINIT]["train_pflops"]) + _half_a_digit(rows[FF]["train_pflops"])) / per_epoch
        assert abs(more / per_epoch - by_flops) <= doubt + 0.5
        by_energy = _draw_epoch_by_energy(rows)
        if abs(by_energy - by_flops) > doubt + 1:
            apart[key] = (round(by_energy), by_flops)
    assert apart == {
        ("PreResNet-101", "CIFAR-100", 0.3): (37, 24),
        ("VGG16", "CIFAR-100", 0.1): (35, 25),
        ("VGG16", "CIFAR-100", 0.3): (25, 20),
        ("VGG16", "CIFAR-100", 0.5): (20, 13),
    }
    flagged = _flagged_cells(_flat(table2), "energy_kj")
    assert {key for key in flagged if key[3] != "ThiNet"} == {(*key, m) for key in apart for m in (FF, REINIT)}
    for key, (by_energy, by_flops) in apart.items():
        assert f"after epoch {by_energy}, their FLOPs imply {by_flops}" in table2[key][FF]["flag"]


def test_low_precision_energies_imply_costs_that_do_not_agree(table2):
    """All training in 8 bits, and the search alone, as shares of the same in fp32."""
    whole = [rows[LL]["energy_kj"] / rows[FF]["energy_kj"] for rows in table2.values()]
    search = []
    for rows in table2.values():
        epochs = _draw_epoch_by_energy(rows)
        retraining = (160 - epochs) * (rows[REINIT]["energy_kj"] - rows[FF]["energy_kj"]) / epochs
        search.append((rows[LF]["energy_kj"] - retraining) / (rows[FF]["energy_kj"] - retraining))
    shares = [f"{round(x, digits):g}" for x, digits in ((min(whole), 2), (max(whole), 2), (min(search), 1))]
    assert shares == ["0.19", "0.25", "0.5"] and round(max(search), 1) == 1.0
    assert any("{} to {} of FF's".format(*shares) in note and "0.5 to 1.0" in note for note in paper_notes("eb-table2"))


def test_improvements_are_recomputed_and_those_flagged_do_not_come_out(table2):
    wrong = {}
    saved_by_ff = []
    for row in paper_table("eb-table2-improvements"):
        rows = table2[row["model"], row["dataset"], row["prune_ratio"]]
        best = max(rows[m]["retrain_accuracy_percent"] for m in RIVALS)
        ours = max(rows[m]["retrain_accuracy_percent"] for m in (FF, REINIT))
        assert row["accuracy_gain_percent"] == pytest.approx(ours - best, abs=0.005)
        least = min(rows[m]["train_pflops"] for m in RIVALS)
        assert row["flops_ratio"] == pytest.approx(least / rows[LF]["train_pflops"], abs=0.06)
        energy = min(rows[m]["energy_kj"] for m in RIVALS)
        saved_by_ff.append(energy / rows[FF]["energy_kj"])
        ratio = energy / rows[LL]["energy_kj"]
        # The paper rounds some and cuts others.
        if not -0.05 < ratio - row["energy_ratio"] < 0.1:
            wrong[row["model"], row["dataset"], row["prune_ratio"]] = (round(ratio, 1), row["energy_ratio"])
            assert row["flag"].startswith("energy_ratio: ") and row["flag"].endswith(f"= {ratio:.1f}")
        else:
            assert row["flag"] is None
    assert wrong == {("VGG16", "CIFAR-10", 0.3): (5.3, 6.6), ("VGG16", "CIFAR-100", 0.5): (8.3, 10.7)}
    assert (round(min(saved_by_ff), 2), round(max(saved_by_ff), 2)) == (1.16, 2.03)


def test_four_printed_energy_ratios_divide_flagged_energies(table2):
    suspect = []
    for row in paper_table("eb-table2-improvements"):
        rows = table2[row["model"], row["dataset"], row["prune_ratio"]]
        thriftiest = min(RIVALS, key=lambda m: rows[m]["energy_kj"])
        if rows[thriftiest]["flag"] and row["flag"] is None:
            suspect.append((row["model"], row["prune_ratio"], row["energy_ratio"]))
    network = "PreResNet-101"
    assert suspect == [(network, 0.5, 6.5), (network, 0.7, 6.7), (network, 0.5, 7.2), (network, 0.7, 7.6)]


def test_tables_1_and_4_share_the_standard_schedule_s_rows():
    standard = [row for row in paper_table("eb-table1") if row["search_schedule"].startswith("0.1,")]
    same = [row for row in paper_table("eb-table4") if row["initial_rate"] == 0.1]
    columns = ("model", "dataset", "draw_epoch", "retrain_accuracy_percent")
    assert [[row[c] for c in columns] for row in standard] == [[row[c] for c in columns] for row in same]
    assert len(same) == 16 and {row["draw_epoch"] for row in same} == {10, 20, 40, 160}


def test_table_3_flops():
    cells = {(r["model"], r["method"], r["prune_ratio"]): r["train_pflops"] for r in paper_table("eb-table3")}
    per_epoch = 3 * IMAGENET / 1e15

    def total(dense, dense_epochs, pruned=0.0, pruned_epochs=0):
        return per_epoch * 1e9 * (dense * dense_epochs + pruned * pruned_epochs)

    expected = {
        ("ResNet18", "Unpruned", None): total(3.64, 90),
        ("ResNet18", "NS", 0.1): total(3.64, 90, 3.37, 90),
        ("ResNet18", "NS", 0.3): total(3.64, 90, 2.63, 90),
        ("ResNet18", "SFP", 0.3): total(3.64, 90, 3.64 * 0.582, 90),
        ("ResNet18", "EB Train", 0.1): total(3.64, 11, 3.37, 79),
        ("ResNet18", "EB Train", 0.3): total(3.64, 11, 2.63, 79),
        ("ResNet50", "Unpruned", None): total(8.21, 90),
        ("ResNet50", "ThiNet", 0.3): total(7.72, 90, 4.88, 90),
        ("ResNet50", "ThiNet", 0.5): total(7.72, 90, 3.41, 90),
        ("ResNet50", "ThiNet", 0.7): total(7.72, 90, 2.20, 90),
    }
    for key, pflops in expected.items():
        assert cells[key] == pytest.approx(pflops, abs=0.011), key
    assert set(cells) - set(expected) == {("ResNet50", "EB Train", p) for p in (0.3, 0.5, 0.7)}


def test_table_3_energies_are_epochs_put_together():
    energy = {(r["model"], r["method"], r["prune_ratio"]): r["train_energy_mj"] for r in paper_table("eb-table3")}
    dense = energy["ResNet18", "Unpruned", None]
    for ratio in (0.1, 0.3):
        pruned = energy["ResNet18", "NS", ratio] - dense
        assert energy["ResNet18", "EB Train", ratio] == pytest.approx(11 / 90 * dense + 79 / 90 * pruned, abs=0.011)
    assert energy["ResNet50", "Unpruned", None] * 1e6 / 15 / 86400 == pytest.approx(217, abs=0.5)


def test_table_3_changes_are_differences_but_for_resnet50_s_top_1():
    rows = paper_table("eb-table3")
    unpruned = {row["model"]: row for row in rows if row["method"] == "Unpruned"}
    implied = set()
    for row in rows:
        if row["method"] == "Unpruned":
            continue
        base = unpruned[row["model"]]
        assert row["top5_change_percent"] == pytest.approx(row["top5_percent"] - base["top5_percent"], abs=1e-9)
        change = row["top1_percent"] - base["top1_percent"]
        if row["flag"] is None:
            assert row["top1_change_percent"] == pytest.approx(change, abs=1e-9)
        else:
            assert row["flag"].startswith("top1_change_percent: ") and f"= {change:.2f};" in row["flag"]
            implied.add(round(row["top1_percent"] - row["top1_change_percent"], 2))
    assert implied == {75.59}
    assert unpruned["ResNet50"]["flag"].endswith("75.59") and unpruned["ResNet18"]["flag"] is None
