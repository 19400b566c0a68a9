"""What is said of runs whose ticket was given to them: what finding it cost stands in none of their own figures."""

from typing import Any, Iterable, List, Mapping, Tuple

_NAMED = 6  # before they are only counted


def is_given(result: Mapping[str, Any]) -> bool:
    return bool((result["ticket"] or {}).get("given"))


def given_tickets(runs: Iterable[Tuple[str, Mapping[str, Any]]]) -> List[str]:
    """A sentence, where there is any such run; `runs`: (label, result)."""
    labels = [label for label, result in runs if is_given(result)]
    if not labels:
        return []
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return [
        "Given their ticket, so that what its search cost is not in their energy, time and FLOPs: "
        f"{', '.join(labels[:_NAMED])}{more}."
    ]
