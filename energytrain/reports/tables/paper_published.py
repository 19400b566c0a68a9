"""The paper's own cells beside ours: by model, data set, method and prune ratio; what speaks against a cell is said."""

from typing import Any, Dict, List, Mapping, Optional, Tuple

from ...papers.tables import paper_notes, paper_source, paper_table
from ...runs.protocols import defaults
from .paper_runs import Ratio, Setting, percent_of

MODELS = {"VGG16": "vgg16", "PreResNet-101": "preresnet101", "ResNet18": "resnet18", "ResNet50": "resnet50"}
DATASETS = {"CIFAR-10": "cifar10", "CIFAR-100": "cifar100", "ImageNet": "folder"}
METHODS = {
    "LT (one-shot)": "lt",
    "SNIP": "snip",
    "NS": "ns",
    "ThiNet": "thinet",
    "SFP": "sfp",
    "EB Train (re-init)": "eb-reinit",
    "EB Train (FF)": "eb-ff",
    "EB Train (LF)": "eb-lf",
    "EB Train (LL)": "eb-ll",
    "EB Train": "eb-ff",
    "Unpruned": "dense",
}
FLAG = "†"

Published = Mapping[str, Any]


def published(table: str, setting: Setting) -> Dict[Tuple[str, Ratio], Published]:
    """By our method's name and prune ratio the row of the paper: accuracy (percent), change (points), joules, flops,
    each None where the paper prints none, and flag; of the table's rows those of this model and data set."""
    rows: Dict[Tuple[str, Ratio], Published] = {}
    for row in paper_table(table):
        if not _is_of(row, setting):
            continue
        ratio: Optional[float] = row["prune_ratio"]  # type: ignore[assignment]
        rows[(METHODS[str(row["method"])], ratio)] = {
            "accuracy": row.get("retrain_accuracy_percent", row.get("top1_percent")),
            "change": row.get("top1_change_percent"),
            "joules": _times(row.get("energy_kj"), 1e3) or _times(row.get("train_energy_mj"), 1e6),
            "flops": _times(row.get("train_pflops"), 1e15),
            "flag": row["flag"],
        }
    return rows


def stitched(setting: Setting) -> Dict[Ratio, Published]:
    """The paper's row of improvements, by prune ratio: points, energy and flops (times less), flag."""
    return {
        row["prune_ratio"]: {  # type: ignore[misc]
            "points": row["accuracy_gain_percent"],
            "energy": row["energy_ratio"],
            "flops": row["flops_ratio"],
            "flag": row["flag"],
        }
        for row in paper_table("eb-table2-improvements")
        if _is_of(row, setting)
    }


def published_notes(table: str, setting: Setting, shown: Mapping[Tuple[str, Ratio], Published]) -> List[str]:
    """What contradicts itself in the cells that are shown, and in what our runs are not the paper's."""
    notes = [
        f"{FLAG} {setting.model} on {setting.dataset}, {method} at p = {percent_of(ratio)}: {row['flag']}."
        for (method, ratio), row in shown.items()
        if row["flag"]
    ]
    apart = _not_the_papers(setting)
    if shown and apart:
        notes.append(f"Our runs of {setting.model} on {setting.dataset} are not the paper's: {', '.join(apart)}.")
    return notes


def table_notes(table: str) -> List[str]:
    """Where the published figures are from, and what is to be known of them."""
    return [f"As published: {paper_source(table)}.", *paper_notes(table)]


def _not_the_papers(setting: Setting) -> List[str]:
    spec, words = setting.spec, []
    papers = defaults("eb", setting.dataset)
    if setting.dataset == "folder":
        words.append("an image folder, which is taken for ImageNet")
    if spec["width"] != 1:
        words.append(f"width {spec['width']:g} and not 1")
    if spec["limit"] is not None:
        words.append(f"{spec['limit']:,} training images and not all")
    if spec["validation"]:
        words.append(f"{100 * spec['validation']:g} % of them held out for validation")
    if spec["epochs"] != papers["epochs"]:
        words.append(f"{spec['epochs']} epochs and not {papers['epochs']}")
    if spec["batch_size"] != papers["batch_size"]:
        words.append(f"batches of {spec['batch_size']} and not {papers['batch_size']}")
    if spec["random_labels"]:
        words.append("random labels")
    if not spec["augment"]:
        words.append("images not augmented")
    if spec["protocol"] != "eb":
        words.append(f"the protocol '{spec['protocol']}'")
    return words


def _is_of(row: Mapping[str, Any], setting: Setting) -> bool:
    return (MODELS[row["model"]], DATASETS[row["dataset"]]) == (setting.model, setting.dataset)


def _times(value: Any, factor: float) -> Optional[float]:
    return None if value is None else float(value) * factor
