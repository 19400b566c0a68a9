"""What is said under a run's table of how it was metered: net energy, conditions, cost of observing, what is amiss."""

import re
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from rich.markup import escape

from ...energy.traces.conditions import throttled_part, throttles
from ..format import bounds, joules, share_of_time, si

DUMMY = re.compile("pmic", re.IGNORECASE)  # a Jetson's power chip is said to be at 50 or 100 °C, whatever it is at


def metering_lines(result: Mapping[str, Any]) -> List[str]:
    """Net energy, conditions, the recorder's own cost, notes and problems, and what modelled figures leave out."""
    words = condition_words(result["conditions"])
    lines = _net_lines(result) + ([f"while it trained: {words}"] if words else []) + observer_lines(result["observer"])
    lines += [f"note: {escape(note)}" for note in result["notes"]]
    lines += [f"[yellow]incomplete: {escape(problem)}[/yellow]" for problem in result["problems"]]
    if result["headline"] == "modelled":
        bare = sum(row["seconds"] for row in (*result["phases"], result["overhead"]) if not row["flops"])
        if result["device"]["profile"] is not None:
            lines.append(
                f"modelled energy is that of the network's FLOPs and bytes; {bare:.1f} s without any (set-up, pruning, "
                "checkpoints) are not in it"
            )
        for absent in result["device"]["unavailable"]:
            why = f"{absent['why']} {absent['fix'] or ''}".strip()
            lines.append(f"[dim]no {absent['meter']} meter: {escape(why)}[/dim]")
        if not result["device"]["here"]:
            name = result["device"]["name"]
            if result["device"]["profile"] is None:
                lines.append(
                    f"[bold yellow]No {name} is here and it has no profile: its energy is missing.[/bold yellow]"
                )
            else:
                lines.append(
                    f"[bold yellow]These joules were not measured: no {name} is here. They come from the FLOPs and "
                    f"bytes of this run and the profile of {name}.[/bold yellow]"
                )
    return lines


def _net_lines(result: Mapping[str, Any]) -> List[str]:
    """Net energies, where the run is measured: of each phase, and of all of them with their bounds."""
    if result["headline"] != "measured":
        return []
    net = result["useful"]["net"]
    if net["joules"] is None:
        return [f"no net energy: {escape(net['reason'])}"]
    phases = [f"{escape(row['phase'])} {joules(row['net'])}" for row in result["phases"] if row["seconds"] > 0]
    parts = f"{', '.join(phases)}; " if len(phases) > 1 else ""
    idle = si(result["idle"]["watts"], "W")
    return [f"net of {idle} idle: {parts}useful {joules(net)} ({bounds(net)}, {net['provenance']})"]


def condition_words(conditions: Mapping[str, Any]) -> str:
    """What of the conditions bears on the energy: heat, and what held the clocks back. Empty where nothing is known."""
    hottest: List[Tuple[float, str]] = []
    words = []
    for name, summary in conditions.items():
        if summary["quantity"] == "celsius" and summary["max"] is not None and not DUMMY.search(name):
            hottest.append((summary["max"], name))
        held = [f"{reason} {share_of_time(share)}" for reason, share in throttles(name, summary).items()]
        if held:
            words.append(f"{escape(throttled_part(name))} throttled ({', '.join(held)} of the time)")
    if hottest:
        celsius, name = max(hottest)
        words.insert(0, f"{escape(name)} up to {celsius:.0f} °C")
    return ", ".join(words)


def observer_lines(observer: Sequence[Mapping[str, Any]]) -> List[str]:
    """What recording cost of the processor, over all attempts; none where that is not known."""
    known = [o for o in observer if o["cpu_seconds"] is not None and o["seconds"] > 0]
    if not known:
        return []
    lasted = sum(o["seconds"] for o in known)
    share = sum(o["cpu_seconds"] for o in known) / lasted
    meters: Dict[str, float] = {}
    for meter in (meter for o in known for meter in o.get("meters", ())):
        meters[meter["meter"]] = meters.get(meter["meter"], 0.0) + meter["cpu_seconds"]
    each = ", ".join(f"{escape(name)} {100 * cpu / lasted:.2f} %" for name, cpu in meters.items())
    return [f"the recorder used {100 * share:.1f} % of one processor core" + (f" (reading {each})" if each else "")]
