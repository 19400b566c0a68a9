"""What charts call runs, energies and left-out things; and plain numbers of an array."""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ...quantities.energy import Energy
from ...runs.spec import LEGACY_VALUES
from ..flops import PAPER_COUNT
from ..format import bounds, joules, provenance
from ..what_if import FIGURES, MARK

Result = Mapping[str, Any]
SETTINGS_NAMED = 3  # of a variant
# What makes no variant of a method: what is shown otherwise, and what changes no figure.
NO_VARIANT = frozenset(
    "method prune_ratio seed trial draw_epoch dataset limit image_size device compute meters sample_hz infer ticket "
    "match".split()
)
MATCHED = (
    "width",
    "epochs",
    "milestones",
    "search_milestones",
    "retrain_epochs",
)  # by a control that is `--like` a run
NAMED = 6  # runs that a note names before it only counts


def prune_ratio(result: Result) -> Optional[float]:
    """The share that the run's ticket was to lose, as asked for or as the run chose it; None without a ticket."""
    ticket = result["ticket"]
    if ticket is None:
        return None
    ratio = ticket.get("prune_ratio")
    return float(result["spec"]["prune_ratio"] if ratio is None else ratio)


def variant(result: Result) -> str:
    """
    >>> variant({"spec": {"method": "eb-ff", "prune_ratio": 0.3}, "ticket": {}})
    'eb-ff, p = 30 %'
    """
    ratio = prune_ratio(result)
    method = str(result["spec"]["method"])
    return method if ratio is None else f"{method}, p = {100 * ratio:.3g} %"


def variants(results: Sequence[Result]) -> List[str]:
    """The variant of each, with the settings in which those of one method and prune ratio differ among each other."""
    named = [variant(result) for result in results]
    alike: Dict[str, List[Mapping[str, Any]]] = {}
    for name, result in zip(named, results):
        alike.setdefault(name, []).append(result["spec"])
    differ = {name: _differing(specs) for name, specs in alike.items()}
    return [", ".join([name, *_settings(result["spec"], differ[name])]) for name, result in zip(named, results)]


def _differing(specs: Sequence[Mapping[str, Any]]) -> List[str]:
    """The first `SETTINGS_NAMED` settings in which specifications differ."""
    skipped = NO_VARIANT.union(MATCHED if any(spec.get("match") for spec in specs) else ())
    fields = [field for field in dict.fromkeys(field for spec in specs for field in spec) if field not in skipped]
    return [field for field in fields if len({repr(_setting(spec, field)) for spec in specs}) > 1][:SETTINGS_NAMED]


def _settings(spec: Mapping[str, Any], fields: Sequence[str]) -> List[str]:
    values = [(field.replace("_", " "), _setting(spec, field)) for field in fields]
    return [f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in values]


def _setting(spec: Mapping[str, Any], field: str) -> Any:
    """A setting that a specification lacks has the value of runs before there was one."""
    return spec.get(field, LEGACY_VALUES.get(field))


def task(result: Result) -> str:
    """What the run learnt, in words that differ where accuracies are not to be compared."""
    spec = result["spec"]
    words = [str(spec["dataset"])]
    if spec["limit"] is not None:
        words.append(f"{spec['limit']:,} images")
    if spec["image_size"] is not None:
        words.append(f"{spec['image_size']} px")
    if spec.get("random_labels"):
        words.append("random labels")
    return ", ".join(words)


def run_words(result: Result) -> str:
    """The method and seed of a run, for the text at a point."""
    return f"{variant(result)}, {result['spec']['model']}, seed {result['spec']['seed']}"


def energy_words(energy: Energy, what_if: Optional[str] = None) -> str:
    """
    >>> energy_words(Energy.missing("no meter was recording"))
    'missing: no meter was recording'
    """
    data = energy.to_json()
    if energy.joules is None:
        return f"{joules(data)}: {energy.reason}"
    mark = "" if what_if is None else f"{MARK} {FIGURES[what_if]}, "
    return f"{joules(data)} ({bounds(data)}), {mark}{provenance(data)}"


def counted(precisions: Sequence[str]) -> str:
    """What an axis of FLOPs counts where all work is in these precisions.

    >>> counted(["fp32"]), counted(["fp32", "bfp8"])
    ('FLOPs in fp32', "FLOPs, paper's count")
    """
    return f"FLOPs in {precisions[0]}" if len(precisions) == 1 else f"FLOPs, {PAPER_COUNT}"


def names(labels: Sequence[str]) -> str:
    """
    >>> names(["a", "b"]), names([str(i) for i in range(9)])
    ('a, b', '0, 1, 2, 3, 4, 5 and 3 more')
    """
    more = len(labels) - NAMED
    return ", ".join(labels[:NAMED]) + (f" and {more} more" if more > 0 else "")


def left_out(reasons: Sequence[Tuple[str, str]]) -> List[str]:
    """A note for each reason for which runs are left out; `reasons`: (label of the run, reason)."""
    by_reason: Dict[str, List[str]] = {}
    for label, reason in reasons:
        by_reason.setdefault(reason, []).append(label)
    return [f"Left out, since {reason}: {names(labels)}." for reason, labels in by_reason.items()]


def plain(values: Any) -> List[Optional[float]]:
    """The numbers of a float array; None where it has nan."""
    return [None if value != value else value for value in values.tolist()]


def dropped_note(dropped: int, what: str = "points") -> List[str]:
    return [f"{dropped:,} {what} are left out of the drawing; every peak and gap stays."] if dropped else []
