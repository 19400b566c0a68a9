"""From options to a RunSpec: every default filled in, every wrong value refused before anything is written."""

import hashlib
import math
import re
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

from ..data.catalog import DATASETS, PLANNED_ONLY
from ..devices.detect import detect, is_here
from ..devices.setup import Setup, load_setup, setup_names
from ..errors import UsageError, unknown
from ..meters.catalog import check_meter, parse_meter
from ..methods.catalog import METHODS, MethodInfo, method_info
from ..methods.network import data_info
from ..models.catalog import MODELS
from ..precision.defaults import default_channels_last
from ..runs.find import find_runs
from ..runs.protocols import DEFAULT_MODELS, PROTOCOLS, defaults
from ..runs.result import profile_of, run_result
from ..runs.spec import RunSpec, folder_name
from ..training.reproducible import pick_device
from .method_settings import judged_share, method_settings, ratio_settings
from .precision_settings import averages, check_master_weights, run_precision
from .settings import Budget, Settings

DEFAULT_ALIGN = 8


def resolve(options: Mapping[str, Any]) -> Tuple[RunSpec, Settings]:
    """The specification and settings that `options` mean; names are those of the command line, with underscores.

    Raises UsageError for an unknown name (with the nearest) and for any value out of its range.
    """
    given = {name: value for name, value in options.items() if value is not None and value != ()}
    method = _known("method", given.get("method", "eb-ff"), METHODS)
    protocol = _known("protocol", given.get("protocol", "eb"), PROTOCOLS)
    dataset = _known("data set", given.get("dataset", "digits"), (*DATASETS, *PLANNED_ONLY))
    model = _known("model", given.get("model", DEFAULT_MODELS.get(dataset, "vgg16")), MODELS)
    device = given.get("device", "auto")
    device = detect() if device == "auto" else _known("device", device, setup_names())
    values = {**defaults(protocol, dataset), **given}
    values = {**values, "model": model, **ratio_settings(values, method, method_info(method))}
    _check_ranges(values)
    epochs = int(values["epochs"])
    setup = load_setup(device)
    compute = pick_device(given.get("compute", "auto"))
    precision = run_precision(given, method, compute.type)
    ticket, ticket_file = _ticket(given.get("ticket"), method_info(method))
    settings_of_method = method_settings(values, method, method_info(method), epochs)
    init, init_file = _init(given.get("init", "fresh"))
    spec = RunSpec(
        method=method,
        model=model,
        width=float(values.get("width", 1.0)),
        shortcut=values["shortcut"],
        dataset=dataset,
        image_size=values.get("image_size"),
        limit=values.get("limit"),
        validation=judged_share(values, settings_of_method),
        protocol=protocol,
        prune_ratio=float(values["prune_ratio"]),
        align=_align(values.get("align", "auto"), setup),
        epochs=epochs,
        batch_size=int(values["batch_size"]),
        lr=float(values["lr"]),
        momentum=float(values["momentum"]),
        nesterov=bool(values["nesterov"]),
        weight_decay=float(values["weight_decay"]),
        milestones=_milestones(values["milestones"], epochs),
        gamma=float(values["gamma"]),
        warmup_epochs=int(values["warmup_epochs"]),
        search_lr=float(values.get("search_lr", values["lr"])),
        search_milestones=_milestones(values.get("search_milestones", values["milestones"]), epochs),
        l1=float(values.get("l1", 1e-4)),
        l1_retrain=bool(values.get("l1_retrain", False)),
        eps=float(values.get("eps", 0.1)),
        queue=int(values.get("queue", 5)),
        distance_rule=values.get("distance_rule", "paper"),
        bn_start=float(values["bn_start"]),
        seed=int(values.get("seed", 0)),
        trial=int(values.get("trial", 0)),
        device=device,
        compute=compute.type,
        precision=precision,
        channels_last=bool(values.get("channels_last", default_channels_last(compute.type, precision))),
        meters=_meters(values.get("meter", ("auto",))),
        sample_hz=float(values.get("sample_hz", 10.0)),
        init=init,
        ticket=ticket,
        match=None,
        measure_epochs=values.get("measure_epochs"),
        random_labels=bool(values.get("random_labels", False)),
        augment=bool(values.get("augment", not values.get("random_labels"))),
        average=averages(values, method),
        master_weights=bool(values.get("master_weights", False)),
        infer=bool(values.get("infer", False)),
        **settings_of_method,
    )
    check_master_weights(spec)
    spec = _matched(spec, given, method_info(method))
    _check_batch(spec, given.get("data_dir"))
    settings = Settings(
        folder=Path(given.get("runs_dir", "runs")) / _folder(given.get("name"), spec),
        data_dir=None if "data_dir" not in given else Path(given["data_dir"]),
        download=bool(given.get("download", False)),
        ticket_file=ticket_file,
        init_file=init_file,
        budget=parse_budget(given.get("budget")),
        fresh=bool(given.get("fresh", False)),
        accept_changes=bool(given.get("accept_changes", False)),
        baseline=values.get("baseline"),
    )
    return spec, settings


def device_is_here(spec: RunSpec) -> bool:
    """Whether this machine is the device that the run is for, or a meter is shown or told that it is.

    `root=` shows it the device's files, `board=` names the device: a container hides by what it could be known.
    """
    named = [parse_meter(text).options for text in spec.meters if text not in ("auto", "none")]
    roots = ["/", *(options["root"] for options in named if "root" in options)]
    told = any(options.get("board") == spec.device for options in named)
    return told or any(is_here(load_setup(spec.device), root) for root in roots)


def _folder(name: Optional[str], spec: RunSpec) -> str:
    if name is None:
        return folder_name(spec)
    if name in ("", ".", "..") or Path(name).name != name:
        raise UsageError(f"--name '{name}' is not a plain folder name.", "Give --runs-dir for where runs are stored.")
    return f"{name}-{spec.trial}" if spec.trial else name


def parse_budget(text: Optional[str]) -> Budget:
    """A budget such as `50kJ`, `3MJ`, `2h`, `30min`, `600s`.

    >>> parse_budget("50kJ").joules, parse_budget("2h").seconds
    (50000.0, 7200.0)
    """
    if text is None:
        return Budget()
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([a-zA-Z]+)\s*", text)
    units = {"J": 1.0, "kJ": 1e3, "MJ": 1e6, "Wh": 3600.0, "kWh": 3.6e6}
    times = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
    if match and match.group(2) in {**units, **times}:
        value, unit = float(match.group(1)), match.group(2)
        if value > 0:
            return Budget(joules=value * units[unit]) if unit in units else Budget(seconds=value * times[unit])
    raise UsageError(f"the budget '{text}' is not understood.", "Write an energy or a time, such as 50kJ, 1kWh or 2h.")


def _known(kind: str, name: str, names: Any) -> str:
    if name not in names:
        raise unknown(kind, name, names)
    return name


def _check_ranges(values: Mapping[str, Any]) -> None:
    rules: Dict[str, Tuple[Any, str]] = {
        "prune_ratio": (lambda v: 0 < v < 1, "lie between 0 and 1, both excluded"),
        "eps": (lambda v: 0 < v <= 1, "be above 0 and at most 1"),
        "epochs": (lambda v: v >= 1, "be at least 1"),
        "batch_size": (lambda v: v >= 2, "be at least 2, since batch normalisation needs more than one image"),
        "width": (lambda v: 0 < v <= 16, "be above 0 and at most 16"),
        "lr": (lambda v: v > 0, "be above 0"),
        "search_lr": (lambda v: v > 0, "be above 0"),
        "l1": (lambda v: v >= 0, "not be negative"),
        "weight_decay": (lambda v: v >= 0, "not be negative"),
        "momentum": (lambda v: 0 <= v < 1, "be at least 0 and below 1"),
        "queue": (lambda v: v >= 1, "be at least 1"),
        "limit": (lambda v: v >= 1, "be at least 1"),
        "validation": (lambda v: 0 <= v < 1, "be at least 0 and below 1"),
        "measure_epochs": (lambda v: v >= 1, "be at least 1"),
        "sample_hz": (lambda v: 0 < v <= 1000, "be above 0 and at most 1000"),
        "baseline": (lambda v: 0 <= v <= 3600, "lie between 0 (none) and 3600 seconds"),
        "ppr_lr": (lambda v: v > 0, "be above 0"),
        "ppr_eps": (lambda v: 0 <= v < 1, "be at least 0 and below 1"),
        "accuracy_budget": (lambda v: v >= 0, "not be negative"),
        "rounds": (lambda v: v >= 1, "be at least 1"),
        "gradual_epochs": (lambda v: v >= 1, "be at least 1"),
        "seed": (lambda v: 0 <= v < 2**31, "lie between 0 and 2147483647"),
    }
    for name, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"--{name.replace('_', '-')} must be a finite number; it is {value}.")
    for name, (accepts, words) in rules.items():
        value = values.get(name)
        if value is not None and not accepts(value):
            raise UsageError(f"--{name.replace('_', '-')} must {words}; it is {value}.")


def _check_batch(spec: RunSpec, data_dir: Optional[str]) -> None:
    data = data_info(spec, data_dir)
    if spec.batch_size > data.train_images:
        raise UsageError(
            f"the batch size {spec.batch_size} is larger than the {data.train_images} training images.",
            "Give a smaller --batch-size.",
        )


def _milestones(fractions: Any, epochs: int) -> Tuple[int, ...]:
    """Epochs at which the rate drops: fractions as shares of the epochs, rounded down; numbers from 1 up as epochs.

    As text they are separated by commas; "none" is a rate that never drops.
    """
    if isinstance(fractions, (str, int, float)):
        words = [] if fractions == "none" else str(fractions).split(",")
        try:
            fractions = [float(word) for word in words]
        except ValueError as error:
            raise UsageError(f"the milestones '{fractions}' are not understood.", "Write epochs: 80,120.") from error
        if any(not 0 < value <= epochs for value in fractions):
            raise UsageError(f"the rate can drop at epochs 1 to {epochs}, not at '{','.join(words)}'.")
    return tuple(max(1, int(f * epochs + 1e-9)) if f < 1 else int(f) for f in fractions)


def _align(value: Any, setup: Setup) -> int:
    if value != "auto":
        if not str(value).isdigit() or int(value) < 1:
            raise UsageError(f"--align must be 'auto' or a whole number from 1 up; it is '{value}'.")
        return int(value)
    profile = profile_of(setup.name)
    return DEFAULT_ALIGN if profile is None else profile.channel_multiple


def _meters(texts: Any) -> Tuple[str, ...]:
    names = tuple(texts)
    for text in names:
        if text in ("auto", "none"):
            if len(names) > 1:
                raise UsageError(f"--meter {text} cannot be combined with another --meter.")
        else:
            check_meter(parse_meter(text))
    return names


def _ticket(path: Optional[str], method: MethodInfo) -> Tuple[Optional[str], Optional[Path]]:
    """The ticket file's hash and path; a run folder means the ticket in it."""
    if path is None:
        return None, None
    if not method.prunes:
        raise UsageError("--ticket is for methods that retrain a ticket.", "See 'energytrain methods'.")
    file = Path(path) / "ticket.json" if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise UsageError(f"there is no ticket file '{file}'.", "Name a ticket.json, or a run that drew one.")
    return hashlib.sha256(file.read_bytes()).hexdigest(), file


def _init(value: str) -> Tuple[str, Optional[Path]]:
    """`fresh`, `pretrained` (torchvision's weights), or the hash of a safetensors file."""
    if value in ("fresh", "pretrained"):
        return value, None
    file = Path(value)
    if not file.is_file():
        raise UsageError(f"--init '{value}' is neither 'fresh', 'pretrained' nor a file.", "Name a .safetensors file.")
    return hashlib.sha256(file.read_bytes()).hexdigest(), file


def _matched(spec: RunSpec, given: Mapping[str, Any], method: MethodInfo) -> RunSpec:
    """small-dense and dense-short take their width or length from the run that `--like` names."""
    like = given.get("like")
    if method.matches is None:
        if like is not None:
            raise UsageError(f"--like is for small-dense and dense-short, not for {spec.method}.")
        return spec
    if like is None:
        raise UsageError(
            f"{spec.method} needs the run to match.", "Give --like RUN, an eb-ff run of the same model and data."
        )
    from .match import match_run

    folders = find_runs([Path(like)], Path(given.get("runs_dir", "runs")))
    if len(folders) != 1:
        raise UsageError(f"--like must name one run; '{like}' is {len(folders)}.")
    return match_run(spec, run_result(folders[0]), method.matches, given.get("data_dir"))
