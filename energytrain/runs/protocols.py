"""Training protocols of the papers, and the presets of the data sets: defaults as plain data.

A value is looked up in this order: what the user gave, the data set's preset (digits has one, whole), the protocol's
own values for a large data set (ImageNet layout), the protocol. Epochs at which the rate drops are fractions, so that
a shorter training keeps the shape of its schedule.
"""

from typing import Any, Dict

PROTOCOLS: Dict[str, Dict[str, Any]] = {
    # You et al. 2020 (Early-Bird tickets), Section 3.1 and Table 2; BN scales as in their released code.
    "eb": {
        "epochs": 160,
        "batch_size": 256,
        "lr": 0.1,
        "momentum": 0.9,
        "nesterov": False,
        "weight_decay": 1e-4,
        "milestones": (0.5, 0.75),
        "gamma": 0.1,
        "warmup_epochs": 0,
        "bn_start": 0.5,
        "shortcut": "A",
    },
    # "Sooner or later" (early winning tickets), Section 3: 200 epochs, /10 at 120 and 160; 782 updates are two
    # epochs of CIFAR-10, so batch 128.
    "sooner": {
        "epochs": 200,
        "batch_size": 128,
        "lr": 0.1,
        "momentum": 0.9,
        "nesterov": False,
        "weight_decay": 1e-4,
        "milestones": (0.6, 0.8),
        "gamma": 0.1,
        "warmup_epochs": 0,
        "bn_start": 1.0,
        "shortcut": "A",
    },
    # Renda et al. 2020 (rewinding), Table 1: 182 epochs, /10 at 91 and 136, Nesterov, projection shortcuts.
    "renda": {
        "epochs": 182,
        "batch_size": 128,
        "lr": 0.1,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 2e-4,
        "milestones": (91 / 182, 136 / 182),
        "gamma": 0.1,
        "warmup_epochs": 0,
        "bn_start": 1.0,
        "shortcut": "projection",
    },
}

# What a protocol says of ImageNet; used for data sets in its folder layout.
LARGE: Dict[str, Dict[str, Any]] = {
    "eb": {"epochs": 90, "milestones": (30 / 90, 60 / 90), "bn_start": 1.0},
    "sooner": {"epochs": 90, "milestones": (30 / 90, 60 / 90)},
    "renda": {
        "epochs": 90,
        "batch_size": 1024,
        "lr": 0.4,
        "weight_decay": 1e-4,
        "milestones": (30 / 90, 60 / 90, 80 / 90),
        "warmup_epochs": 5,
    },
}

# Digits are 1,797 images of 8 x 8: a smoke test in seconds, with settings of its own.
DATASET_PRESETS: Dict[str, Dict[str, Any]] = {
    "digits": {"width": 0.25, "epochs": 40, "batch_size": 64, "lr": 0.05},
}

DEFAULT_MODELS: Dict[str, str] = {"folder": "resnet18", "imagenet": "resnet18"}
LARGE_DATASETS = ("folder", "imagenet")


def defaults(protocol: str, dataset: str) -> Dict[str, Any]:
    """The settings of `protocol` on `dataset`, before what the user gave."""
    settings = dict(PROTOCOLS[protocol])
    if dataset in LARGE_DATASETS:
        settings.update(LARGE[protocol])
    settings.update(DATASET_PRESETS.get(dataset, {}))
    return settings
