"""The settings that belong to some methods only: filled in where the method has them, refused where it has not."""

import math
from typing import Any, Dict, Mapping, Optional

from ..errors import UsageError, unknown
from ..methods.catalog import METHODS, MethodInfo
from ..methods.retraining import REWINDS_WEIGHTS, TECHNIQUES
from ..pruning.filter_rates import rates_named

SEARCHES = ("mask-distance", "ppr", "fixed")
# The paper's Figure 1: tickets drawn at 20 of 160 epochs retrain well. Only --measure-epochs assumes it.
ASSUMED_DRAW = 20 / 160
# "The sooner the better", Section 4.1: the best window of 200 epochs is 100 to 150. How often it prunes is not said.
WINDOW_START, WINDOW_LENGTH = 100 / 200, 50 / 200
# Section 3.3: one epoch at 0.01 where the training began with 0.1; the paper gives no rule for saturation.
PPR_LR, PPR_EPS = 0.1, 0.005
RATIO = 0.5
WATCHED_RATIO = 0.3  # of `auto`: its search costs what a fixed 30 % costs
BUDGET = 2.0  # points of accuracy that `--prune-ratio auto` may cost, where nothing was said
ROUND_RATIO = 0.2  # Renda et al. 2020, Section 2: 20 % of what remains
JUDGED_BY = 0.1  # share of the training images that are set aside where something must be judged


def method_settings(values: Mapping[str, Any], name: str, info: MethodInfo, epochs: int) -> Dict[str, Any]:
    """The fields of a RunSpec that depend on the method. Raises UsageError for a setting that `name` does not have."""
    if values.get("ticket") is not None:
        _refuse(values, ("search", "draw_epoch", "rounds"), "runs that find their own ticket", f"{name} --ticket")
        if name == "random-ticket":
            _refuse(values, ("retrain",), "runs that find their own ticket", f"{name} --ticket")
    search = _search(values, name, info)
    settings: Dict[str, Any] = {"search": search, "draw_epoch": _draw_epoch(values, search, name, epochs)}
    settings.update(_retraining(values, name, info, epochs))
    settings["rounds"] = _rounds(values, name, info)
    settings["accuracy_budget"] = values.get("accuracy_budget")
    if search == "ppr" or settings["accuracy_budget"] is not None:
        settings["ppr_lr"] = float(values.get("ppr_lr", PPR_LR * values["lr"]))
    else:
        _refuse(values, ("ppr_lr",), "the pseudo-prune check (--search ppr, --prune-ratio auto)", name)
    if search == "ppr":
        settings["ppr_eps"] = float(values.get("ppr_eps", PPR_EPS))
    else:
        _refuse(values, ("ppr_eps",), "the pseudo-prune check (--search ppr)", name)
    if info.module == "gradual":
        length = int(values.get("gradual_epochs", max(1, round(WINDOW_LENGTH * epochs))))
        steps = int(values.get("gradual_steps", length))
        if not 1 <= steps <= length:
            raise UsageError(f"--gradual-steps must lie between 1 and the window's {length} epochs; it is {steps}.")
        if search == "fixed" and settings["draw_epoch"] + length > epochs:
            raise UsageError(
                f"a window of {length} epochs from epoch {settings['draw_epoch']} ends after the schedule's {epochs}.",
                "Give --draw-epoch or --gradual-epochs less.",
            )
        # The paper never prunes the ends (Appendix A.1).
        settings.update(gradual_epochs=length, gradual_steps=steps, skip_ends=values.get("skip_ends", True))
    else:
        _refuse(values, ("gradual_epochs", "gradual_steps"), "gradual pruning", name)
    for option, allowed, what in (
        ("skip_ends", info.weights and name != "snip", "pruning of single weights by magnitude"),
        ("structured", name == "snip", "snip"),
        ("filter_rates", name == "l1-filters", "l1-filters"),
    ):
        if not allowed:
            _refuse(values, (option,), what, name)
        elif option in values:
            settings[option] = values[option]
    if settings.get("filter_rates") is not None:
        rates_named(str(values["model"]), str(settings["filter_rates"]))
        if settings["rounds"] > 1:
            raise UsageError("published filter rates prune once.", "Give an exponent instead of --rounds, such as B^3.")
    if name == "snip" and values.get("retrain") is not None:
        if values["retrain"] != "reinit":
            raise UsageError("snip trains once; its start is kept, or fresh with --retrain reinit.")
        settings["retrain"] = "reinit"
    _check_rewind(settings, name, epochs)
    return settings


def ratio_settings(values: Mapping[str, Any], name: str, info: MethodInfo) -> Dict[str, Any]:
    """The prune ratio; for `auto` the one whose mask the search watches, and the accuracy budget in points."""
    asked = values.get("prune_ratio", RATIO)
    budget = values.get("accuracy_budget")
    if values.get("filter_rates") is not None and "prune_ratio" in values:
        raise UsageError("published filter rates say what to prune; --prune-ratio has no part in it.")
    if asked != "auto":
        if budget is not None:
            raise UsageError("--accuracy-budget is for --prune-ratio auto.")
        try:
            return {"prune_ratio": float(asked)}
        except ValueError as error:
            raise UsageError(f"--prune-ratio must be a number or 'auto'; it is '{asked}'.") from error
    if "mask-distance" not in info.takes or values.get("ticket") is not None or name == "random-ticket":
        raise UsageError(f"--prune-ratio auto is for the search of an eb-* method, not for this {name}.")
    return {"prune_ratio": WATCHED_RATIO, "accuracy_budget": float(BUDGET if budget is None else budget)}


def judged_share(values: Mapping[str, Any], settings: Mapping[str, Any]) -> float:
    """The share of training images set aside: what was asked for, or enough to judge by where something is judged."""
    judges = settings["search"] == "ppr" or values.get("accuracy_budget") is not None
    share = float(values.get("validation", JUDGED_BY if judges else 0.0))
    if judges and share == 0:
        raise UsageError("what is chosen by accuracy is chosen on images that are set aside.", "Give --validation 0.1.")
    return share


def _search(values: Mapping[str, Any], name: str, info: MethodInfo) -> str:
    offered = [search for search in info.takes if search in SEARCHES]
    asked = values.get("search")
    if asked is not None and asked not in SEARCHES:
        raise unknown("search", asked, SEARCHES)
    if asked is None:
        # With --measure-epochs a search's draw epoch is what is assumed.
        assumed = values.get("measure_epochs") is not None and offered != ["fixed"]
        forced = values.get("draw_epoch") is not None and not assumed
        if forced and "fixed" not in offered:
            raise UsageError(f"--draw-epoch is not for {name}, which draws nothing at an epoch of yours.")
        if forced or name == "gradual":
            return "fixed"
        return offered[0] if offered and offered[0] != "fixed" else "mask-distance"
    if asked not in offered:
        raise UsageError(f"--search {asked} is not for {name}.", f"It is for {_those_with(asked)}.")
    return str(asked)


def _draw_epoch(values: Mapping[str, Any], search: str, name: str, epochs: int) -> Optional[int]:
    """The epoch after which a fixed search draws, or that an extrapolation assumes."""
    given = values.get("draw_epoch")
    if given is not None and not 1 <= given <= epochs:
        raise UsageError(f"--draw-epoch must lie between 1 and the {epochs} epochs; it is {given}.")
    if given is not None and search != "fixed" and values.get("measure_epochs") is None:
        raise UsageError(f"--search {search} finds the draw epoch itself.", "Leave out --draw-epoch, or --search.")
    if given is not None:
        return int(given)
    if name == "gradual":
        return int(max(1, round(WINDOW_START * epochs)))
    if search == "fixed":
        raise UsageError("--search fixed needs to know after which epoch to prune.", "Give --draw-epoch.")
    if values.get("measure_epochs") is not None:
        return int(max(1, round(ASSUMED_DRAW * epochs)))
    return None


def _retraining(values: Mapping[str, Any], name: str, info: MethodInfo, epochs: int) -> Dict[str, Any]:
    if "retrain" not in info.takes:
        if name != "snip":
            _refuse(values, ("retrain",), "methods that prune a trained network", name)
        _refuse(values, ("retrain_epochs", "rewind_epoch"), "methods that prune a trained network", name)
        return {}
    # The weights beside a given ticket are the only ones there are.
    given = values.get("ticket") is not None
    technique = values.get("retrain", "own")
    if technique == "own":
        technique = "lr-rewind" if given and info.weights else info.retrain
    if given and technique in REWINDS_WEIGHTS:
        raise UsageError("a ticket from a file has no earlier weights to rewind to.", "Give --retrain lr-rewind.")
    if technique == "own":
        _refuse(values, ("retrain_epochs", "rewind_epoch"), "a retraining that --retrain names", name)
        return {}
    if technique not in TECHNIQUES:
        raise unknown("retraining technique", technique, TECHNIQUES)
    length = int(values.get("retrain_epochs", max(1, round(info.retrain_share * epochs))))
    if length < 1 or (length > epochs and technique in ("weight-rewind", "lr-rewind")):
        raise UsageError(
            f"--retrain-epochs must lie between 1 and the {epochs} epochs of the schedule; it is {length}."
        )
    if technique not in REWINDS_WEIGHTS:
        _refuse(values, ("rewind_epoch",), "--retrain weight-rewind and low-lr-rewind", name)
    return {"retrain": technique, "retrain_epochs": length, "rewind_epoch": values.get("rewind_epoch")}


def _rounds(values: Mapping[str, Any], name: str, info: MethodInfo) -> int:
    if "rounds" not in info.takes:
        _refuse(values, ("rounds",), "methods that can prune again and again", name)
        return 1
    if values.get("rounds") is not None:
        return int(values["rounds"])
    if info.rounds:
        return info.rounds
    return max(1, round(math.log(1.0 - values.get("prune_ratio", RATIO)) / math.log(1.0 - ROUND_RATIO)))


def _check_rewind(settings: Mapping[str, Any], name: str, epochs: int) -> None:
    """The state to go back to must come before the pruning."""
    if settings.get("retrain") not in REWINDS_WEIGHTS:
        return
    back = epochs - settings["retrain_epochs"] if settings["rewind_epoch"] is None else settings["rewind_epoch"]
    until = settings["draw_epoch"] if settings["search"] == "fixed" else epochs
    if not 0 <= back <= until:
        raise UsageError(
            f"there is no epoch {back} to rewind to: {name} prunes after epoch {until}.",
            "Give --retrain-epochs or --rewind-epoch accordingly.",
        )


def _refuse(values: Mapping[str, Any], options: Any, what: str, name: str) -> None:
    for option in options:
        if values.get(option) is not None and values[option] is not False:
            raise UsageError(f"--{option.replace('_', '-')} is for {what}, not for {name}.")


def _those_with(search: str) -> str:
    return ", ".join(name for name, info in METHODS.items() if search in info.takes)
