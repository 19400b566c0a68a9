"""The words of the page, for someone who meets them there first."""

from typing import List, Mapping, Sequence, Tuple

from ...methods.catalog import METHODS
from .origins import SCOPES

WORDS = (
    ("measured", "integrated from the readings of a meter"),
    ("derived", "arithmetic on measured values"),
    ("extrapolated", "some measured epochs times the planned number"),
    ("modelled", "computed from counted FLOPs and bytes and a device's profile; nobody read it from a meter"),
    ("missing", "not known, with the reason; never taken as zero, and no total is made of it"),
    ("attributed", "a phase's energy, divided among layers in the proportions of the model: no meter sees a layer"),
    ("what-if", "joules of emulated 8-bit arithmetic at published unit energies: not measured, not ranked with others"),
    ("provenance", "which of the words above holds for a figure"),
    (
        "scope",
        f"what a figure covers: {'; '.join(f'{name}, {meaning}' for name, meaning in SCOPES.items())}. "
        "Unlike scopes are never added",
    ),
    ("95 % bounds", "the truth lies between them in at least 95 of 100 cases"),
    ("FLOPs", "floating-point operations, counted layer by layer: a multiply-add is two, but one in the paper's count"),
    ("useful", "each epoch's cost once, the search for a ticket included: what methods are compared on"),
    ("spent", "all attempts, with evaluation, overhead and what crashes lost"),
    ("evaluation", "measuring the accuracy between epochs, which is not useful energy"),
    ("overhead", "set-up and checkpoints, which are not useful energy"),
    ("idle baseline", "waiting before and after training, to know what the machine draws when it does nothing"),
    ("lost", "work that a crash undid"),
    ("Pareto front", "the runs that no other run beats in both energy and accuracy"),
    ("seed", "where a run's random numbers begin: runs that differ in nothing else show how much is luck"),
    ("ticket", "the part of a network that was kept when it was pruned"),
    ("p, prune ratio", "the share of the channels, or weights, that was to go"),
    ("search, retrain", "training until the ticket is drawn; training of what was kept"),
    ("draw epoch", "after how many epochs of the search the ticket was drawn"),
    ("mask distance", "the share of channels that one mask keeps and another does not"),
    ("identity", "a fingerprint of all settings: two runs with the same one were set up alike"),
)

METHOD_WORDS: Mapping[str, str] = {name: method.title for name, method in METHODS.items()}


def methods_met(names: Sequence[str]) -> List[Tuple[str, str]]:
    """The methods among `names` that the package knows, each once, with what it is and whose."""
    return [
        (name, f"{METHODS[name].title} ({METHODS[name].source})") for name in dict.fromkeys(names) if name in METHODS
    ]
