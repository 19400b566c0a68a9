"""What was counted of a network, kept for as long as many recipes of the same networks are planned.

Tracing a network is most of what counting takes, and a plan of all methods asks for the same few networks again and
again. Nothing is kept outside `remembering`: there, networks are trained, cut and changed.
"""

import contextlib
from contextvars import ContextVar
from typing import Any, Callable, Dict, Hashable, Iterator, Optional, Tuple, TypeVar

from torch import nn

T = TypeVar("T")
Known = Optional[Dict[Hashable, Tuple[nn.Module, Any]]]

# By network, what is asked and of which images. The network is kept as well, so that its id stays its own.
_KNOWN = ContextVar("known", default=None)  # type: ContextVar[Known]


@contextlib.contextmanager
def remembering() -> Iterator[None]:
    """Inside, each question to a network is answered once. No network that is counted may be changed meanwhile."""
    token = _KNOWN.set({})
    try:
        yield
    finally:
        _KNOWN.reset(token)


def remembered(model: nn.Module, question: Hashable, answer: Callable[[], T]) -> T:
    """`answer()`, or what it was the last time that this question was asked of `model`."""
    known = _KNOWN.get()
    if known is None:
        return answer()
    key = (id(model), question)
    if key not in known:
        known[key] = (model, answer())
    found: T = known[key][1]
    return found
