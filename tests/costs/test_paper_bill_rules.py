"""What each method costs on a paper's bill: the Early-Bird paper's cells, others' epochs, what has no figure."""

import pytest

from energytrain.costs.paper_bill_rules import BILLS, billed_flops
from energytrain.errors import UsageError
from energytrain.methods.catalog import METHODS
from energytrain.papers.tables import paper_table

VGG16, PRERESNET101 = 315_000_000, 155_000_000  # half of the paper's FLOPs, which it rounds to 0.01 G
RESNET18 = 1_820_000_000
IMAGENET = 1_281_167
OF_TABLE_2 = {"lt": "LT (one-shot)", "snip": "SNIP", "ns": "NS", "thinet": "ThiNet"}
OF_TABLE_2.update({"eb-ff": "EB Train (FF)", "eb-reinit": "EB Train (re-init)"})

# A training of which every number is another prime, so that a wrong one shows.
RUN = {"images": 101, "epochs": 160, "retrain_epochs": 37, "dense_macs": 1009, "pruned_macs": 307}


def flops(method, bill, **numbers):
    return billed_flops(method, bill, **{**RUN, **numbers}).flops


def by_hand(dense_epochs, pruned_epochs=0):
    return 101 * 3 * 2 * (1009 * dense_epochs + 307 * pruned_epochs)


def _cell(model, method, ratio):
    return next(
        row["train_pflops"]
        for row in paper_table("eb-table2")
        if (row["model"], row["dataset"], row["method"], row["prune_ratio"]) == (model, "CIFAR-10", method, ratio)
    )


@pytest.mark.parametrize(
    "model, macs, method, pruned, draw",
    [
        ("VGG16", VGG16, "lt", None, None),
        ("VGG16", VGG16, "snip", None, None),
        ("VGG16", VGG16, "thinet", 80_000_000, None),  # (1 - 0.5)^2 x 0.63 G = 0.16 G
        ("VGG16", VGG16, "ns", 220_000_000, None),
        ("VGG16", VGG16, "eb-ff", 215_000_000, 18),
        ("VGG16", VGG16, "eb-reinit", 215_000_000, 18),
        ("PreResNet-101", PRERESNET101, "lt", None, None),
        ("PreResNet-101", PRERESNET101, "snip", None, None),
        ("PreResNet-101", PRERESNET101, "thinet", 65_000_000, None),
        ("PreResNet-101", PRERESNET101, "ns", 110_000_000, None),
        ("PreResNet-101", PRERESNET101, "eb-ff", 105_000_000, 43),
        ("PreResNet-101", PRERESNET101, "eb-reinit", 105_000_000, 43),
    ],
)
def test_table_2_at_half_the_channels(model, macs, method, pruned, draw):
    retrain = 160 if method in ("lt", "ns", "thinet") else None
    billed = billed_flops(
        method,
        "eb-paper",
        images=50_000,
        epochs=160,
        retrain_epochs=retrain,
        dense_macs=macs,
        pruned_macs=pruned,
        draw_epoch=draw,
    )
    assert billed.flops / 1e15 == pytest.approx(_cell(model, OF_TABLE_2[method], 0.5), abs=0.0601)


@pytest.mark.parametrize(
    "model, method, ratio, name, dense, pruned, draw",
    [
        ("ResNet18", "Unpruned", None, "dense", RESNET18, None, None),
        ("ResNet18", "NS", 0.1, "ns", RESNET18, 1_685_000_000, None),
        ("ResNet18", "NS", 0.3, "ns", RESNET18, 1_315_000_000, None),
        ("ResNet18", "SFP", 0.3, "sfp", RESNET18, 1_059_240_000, None),  # 58.2 %
        ("ResNet18", "EB Train", 0.1, "eb-ff", RESNET18, 1_685_000_000, 11),
        ("ResNet18", "EB Train", 0.3, "eb-ff", RESNET18, 1_315_000_000, 11),
        ("ResNet50", "Unpruned", None, "dense", 4_105_000_000, None, None),
        ("ResNet50", "ThiNet", 0.3, "thinet", 3_860_000_000, 2_440_000_000, None),
        ("ResNet50", "ThiNet", 0.5, "thinet", 3_860_000_000, 1_705_000_000, None),
        ("ResNet50", "ThiNet", 0.7, "thinet", 3_860_000_000, 1_100_000_000, None),
    ],
)
def test_table_3(model, method, ratio, name, dense, pruned, draw):
    retrain = 90 if name in ("ns", "thinet") else None
    numbers = {"images": IMAGENET, "epochs": 90, "retrain_epochs": retrain, "draw_epoch": draw}
    billed = billed_flops(name, "eb-paper", dense_macs=dense, pruned_macs=pruned, **numbers)
    printed = [
        r for r in paper_table("eb-table3") if (r["model"], r["method"], r["prune_ratio"]) == (model, method, ratio)
    ]
    assert billed.flops / 1e15 == pytest.approx(printed[0]["train_pflops"], abs=0.011)


@pytest.mark.parametrize("bill", BILLS[1:])
def test_every_method_has_a_figure_or_a_reason(bill):
    for method in METHODS:
        billed = billed_flops(method, bill, draw_epoch=20, **RUN)
        assert billed.rule
        assert (billed.flops is None) == ("epochs dense" not in billed.rule and "epochs pruned" not in billed.rule)


def test_the_early_bird_paper_s_bill():
    assert flops("lt", "eb-paper") == by_hand(160 + 37)
    assert flops("snip", "eb-paper") == flops("dense", "eb-paper") == by_hand(160)
    assert flops("ns", "eb-paper") == flops("thinet", "eb-paper") == by_hand(160, 37)
    assert flops("sfp", "eb-paper") == by_hand(160, 160)
    assert flops("eb-ff", "eb-paper", draw_epoch=20, retrain_epochs=None) == by_hand(20, 140)
    assert flops("eb-reinit", "eb-paper", draw_epoch=20, retrain_epochs=None) == by_hand(20, 160)
    assert flops("eb-ff", "eb-paper", draw_epoch=20) == flops("eb-reinit", "eb-paper", draw_epoch=20) == by_hand(20, 37)


def test_what_the_early_bird_paper_does_not_bill():
    for method in ("lt-iterative", "lt-rewind", "l1-filters", "gradual", "early-gradual"):
        billed = billed_flops(method, "eb-paper", draw_epoch=20, **RUN)
        assert billed.flops is None and "no such rival" in billed.rule
    assert "one shot" in billed_flops("lt", "eb-paper", rounds=2, **RUN).rule
    assert "several rounds" in billed_flops("ns", "eb-paper", rounds=2, **RUN).rule


def test_the_methods_own_papers_bills():
    assert flops("lt", "own-paper") == by_hand(160 + 37)
    assert flops("lt-iterative", "own-paper", rounds=8) == by_hand(160 + 8 * 37)
    assert flops("lt-rewind", "own-paper", rounds=3) == by_hand(160 + 3 * 37)
    assert flops("snip", "own-paper") == flops("sfp", "own-paper") == by_hand(160)
    assert flops("ns", "own-paper") == flops("l1-filters", "own-paper") == by_hand(160, 37)
    assert flops("thinet", "own-paper") == by_hand(0, 37)
    assert flops("gradual", "own-paper", draw_epoch=150) == flops("early-gradual", "own-paper", draw_epoch=150)
    assert flops("eb-ff", "own-paper", draw_epoch=20) == flops("eb-ff", "eb-paper", draw_epoch=20)


def test_gradual_pruning_takes_the_epochs_of_table_4():
    for row in paper_table("sooner-table4"):
        if row["pruning_epochs"] is not None:
            numbers = {"draw_epoch": row["pruning_epochs"], "retrain_epochs": row["retrain_epochs"]}
            assert flops("gradual", "own-paper", **numbers) == by_hand(row["total_epochs"])


def test_iterative_rounds_cost_what_the_rewinding_paper_counts():
    """Eight rounds of the whole training time are 1,638 epochs on CIFAR and 810 on ImageNet, the first included."""
    for epochs, total in ((182, 1638), (90, 810)):
        assert flops("lt-iterative", "own-paper", epochs=epochs, retrain_epochs=epochs, rounds=8) == by_hand(total)


def test_a_control_is_on_the_early_bird_bill_alone():
    assert flops("small-dense", "eb-paper") == flops("dense-short", "eb-paper") == by_hand(160)
    assert flops("random-ticket", "eb-paper", draw_epoch=20) == by_hand(20, 37)
    for method in ("small-dense", "dense-short", "random-ticket"):
        assert "no paper" in billed_flops(method, "own-paper", draw_epoch=20, **RUN).rule


@pytest.mark.parametrize(
    "method, missing, words",
    [
        ("ns", "retrain_epochs", "how long it was retrained is not known"),
        ("ns", "pruned_macs", "what the pruned network costs is not known"),
        ("eb-ff", "draw_epoch", "the draw epoch is not known"),
        ("gradual", "draw_epoch", "when the window ends is not known"),
    ],
)
def test_a_number_that_is_missing_leaves_no_figure(method, missing, words):
    billed = billed_flops(method, "own-paper", **{**RUN, "draw_epoch": 20, missing: None})
    assert billed.flops is None and billed.rule == words


def test_names_that_are_not_known():
    with pytest.raises(UsageError, match="Did you mean 'eb-paper'"):
        billed_flops("lt", "eb-papr", **RUN)
    with pytest.raises(UsageError, match="unknown method 'sfpp'"):
        billed_flops("sfpp", "eb-paper", **RUN)
    with pytest.raises(ValueError, match="ledger"):
        billed_flops("lt", "as-run", **RUN)
