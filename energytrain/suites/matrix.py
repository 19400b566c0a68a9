"""A suite's matrix becomes runs: every product of its lists, named by its axes, in an order in which each can run."""

import itertools
import re
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..errors import UsageError, unknown
from ..methods.catalog import method_info
from .suite_file import Block, Suite

DEFAULT_REFERENCE = "dense"
# Of all axes these alone tell a run from another without being in a list: what is asked of most suites later is more
# seeds and more ratios, and the folders of the runs that there are must keep their names then.
_ALWAYS = ("method", "prune-ratio", "seed")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class SuiteRun:
    """One run of a suite.

    name: its folder. group: the same without the seed. head: the first part of the name, by which `like` and
    `compare_with` mean it. options: all that it is given, by option. axes: what tells it from others. like: the name of
    the run that it is matched to; compare_with: of the run that it is compared with.
    """

    name: str
    group: str
    head: str
    options: Mapping[str, Any]
    axes: Mapping[str, Any]
    like: Optional[str] = None
    compare_with: Optional[str] = None

    @property
    def seed(self) -> int:
        return int(self.axes["seed"])


def suite_runs(suite: Suite, compare_with: Optional[str] = None) -> List[SuiteRun]:
    """The runs of `suite` in the order in which they are run: the file's, but for runs that wait for the one they are
    matched to.

    compare_with: a run's head, in the place of the suite's own. Raises UsageError for an unknown method, for two runs
    of one name, and where `like` or `compare_with` name no run, or `like` more than one.
    """
    runs: List[SuiteRun] = []
    likes: Dict[str, Tuple[str, str]] = {}
    for block in suite.blocks:
        own: Dict[str, SuiteRun] = {}
        for run in _product(block, suite.defaults):
            _check_matched(run, block)
            # A ratio that a method has no use for was dropped: what differed in it alone is one run.
            if run.name in own and own[run.name] == run:
                continue
            if run.name in own or any(run.name == other.name for other in runs):
                raise UsageError(
                    f"two runs of the suite are called '{run.name}', one of them at '{block.place}'.",
                    f"Give that block a `name`, such as '{run.head}-other', or put what differs into a list.",
                )
            own[run.name] = run
            if block.like is not None:
                likes[run.name] = (block.like, block.place)
        runs += own.values()
    runs = [_liked(run, *likes[run.name], runs) if run.name in likes else run for run in runs]
    return _in_order(_compared(runs, compare_with or suite.compare_with))


def _product(block: Block, defaults: Mapping[str, Any]) -> List[SuiteRun]:
    found = []
    for values in itertools.product(*(block.options[name] for name in block.axes)):
        given = {**defaults, **block.options, **dict(zip(block.axes, values))}
        options = {name: value for name, value in given.items() if value is not None}
        if "method" not in options:
            raise UsageError(f"'{block.place}' of the suite names no method.", "Give it `method`, or the defaults.")
        method = str(options["method"])
        method_info(method)
        seed = options.setdefault("seed", 0)
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise UsageError(f"a seed is a whole number; '{block.place}' has '{seed}'.")
        if method == "dense":
            options.pop("prune-ratio", None)
        axes = {name: options[name] for name in (*block.axes, *_ALWAYS) if name in options}
        found.append(_named(block, options, axes))
    return found


def _named(block: Block, options: Mapping[str, Any], axes: Mapping[str, Any]) -> SuiteRun:
    pattern = "{method}" if block.name is None else block.name
    used = _PLACEHOLDER.findall(pattern)
    for name in used:
        if name not in options or name == "seed":
            raise unknown(f"placeholder in the name '{pattern}' of '{block.place}':", name, set(options) - {"seed"})
    head = _PLACEHOLDER.sub(lambda found: _plain(options[found.group(1)]), pattern)
    rest = [_part(name, axes[name]) for name in axes if name not in (*_ALWAYS, *used)]
    if "prune-ratio" in axes and "prune-ratio" not in used:
        rest.append(f"p{_plain(axes['prune-ratio'])}")
    group = re.sub(r"[^A-Za-z0-9._-]", "_", "-".join([head, *rest]))
    if group.startswith("."):
        raise UsageError(f"a run cannot be called '{group}' ('{block.place}').", "Let its `name` begin with a letter.")
    return SuiteRun(f"{group}-s{axes['seed']}", group, head, options, axes)


def _part(name: str, value: Any) -> str:
    """How an axis shows in a name: a word alone, a number behind the option's name."""
    if isinstance(value, bool):
        return name if value else f"no-{name}"
    return f"{name}-{_plain(value)}" if isinstance(value, (int, float)) else _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "+".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _check_matched(run: SuiteRun, block: Block) -> None:
    method = run.options["method"]
    matches = method_info(method).matches is not None
    if matches and block.like is None:
        hint = f"Give '{block.place}' the run, such as 'like: eb-ff'."
        raise UsageError(f"{method} needs the run whose cost it matches.", hint)
    if block.like is not None and not matches:
        raise UsageError(f"'{block.place}' has `like`, which {method} has no use for.", "Give it a block of its own.")


def _liked(run: SuiteRun, like: str, place: str, runs: Sequence[SuiteRun]) -> SuiteRun:
    if not any(other.head == like for other in runs):
        raise unknown(f"run to match at '{place}':", like, {other.head for other in runs if other.head != run.head})
    found = _otherwise_equal(run, like, runs)
    if len(found) != 1:
        what = ", ".join(f"'{other.name}'" for other in found) or "none"
        raise UsageError(
            f"'{run.name}' is to match the '{like}' run of the same axes, and there is {what}.",
            "Give both blocks the same seeds and ratios.",
        )
    return replace(run, like=found[0].name)


def _compared(runs: List[SuiteRun], head: Optional[str]) -> List[SuiteRun]:
    """Every run with the one that it is compared with; none where that is not one."""
    heads = {run.head for run in runs}
    if head is not None and head not in heads:
        raise unknown("run to compare with:", head, heads)
    wanted = DEFAULT_REFERENCE if head is None else head
    compared = []
    for run in runs:
        found = [] if run.head == wanted else _otherwise_equal(run, wanted, runs)
        compared.append(replace(run, compare_with=found[0].name) if len(found) == 1 else run)
    return compared


def _otherwise_equal(run: SuiteRun, head: str, runs: Sequence[SuiteRun]) -> List[SuiteRun]:
    """The runs of that head that are equal in every axis, but the method, that both have."""
    return [
        other
        for other in runs
        if other.head == head
        and other.name != run.name
        and all(run.axes[name] == other.axes[name] for name in set(run.axes) & set(other.axes) - {"method"})
    ]


def _in_order(runs: Sequence[SuiteRun]) -> List[SuiteRun]:
    """As given, but each after the run that it is matched to."""
    ordered: List[SuiteRun] = []
    waiting = list(runs)
    while waiting:
        names = {run.name for run in ordered}
        ready = next((run for run in waiting if run.like is None or run.like in names), None)
        if ready is None:
            raise UsageError(f"'{waiting[0].name}' and '{waiting[0].like}' are matched to each other.", "Match one.")
        ordered.append(ready)
        waiting.remove(ready)
    return ordered
