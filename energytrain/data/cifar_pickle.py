"""Reads the pickled batches in which CIFAR is published without running anything that a pickle could name.

The unpickler knows nine names of numpy and the standard library, and each of them becomes an inert record of the call
that the file asks for. What the records mean is worked out here afterwards, so not even numpy's own unpickling runs.
"""

import pickle
import pickletools
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import numpy as np
import numpy.typing as npt

from ..errors import UsageError

# The largest official file (CIFAR-100's training part) has 155 MB.
_LARGEST_BYTES = 1 << 30

_KNOWN = {
    f"{module}.{name}": name
    for module, name in (
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy.core.numeric", "_frombuffer"),
        ("numpy._core.numeric", "_frombuffer"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),
    )
}
_TYPES = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8")


class ForeignName(Exception):
    """The file names something that no CIFAR batch needs."""


class _Name:
    """A known name; calling it records the call."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: Any) -> "_Call":
        return _Call(self.name, args)

    def __setstate__(self, state: Any) -> None:
        raise ValueError("a name has no state")


@dataclass(eq=False)
class _Call:
    """A call that the file asks for, and the state that it then gives to the result."""

    name: str
    args: Tuple[Any, ...]
    state: Optional[Tuple[Any, ...]] = field(default=None)

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple):
            raise ValueError("a state that is no tuple")
        self.state = state


class _InertUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _Name(_KNOWN[f"{module}.{name}"])
        except KeyError:
            raise ForeignName(f"{module}.{name}") from None


def read_batch(path: Path) -> Dict[str, Any]:
    """The dictionary in a CIFAR file, its arrays as numpy arrays of integers, its texts as str.

    Raises UsageError, naming the file, if it is missing, truncated, corrupt or asks for anything but such data.
    """
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise unreadable(path, "it is far too large")
        raw = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error.strerror or "it cannot be opened") from error
    try:
        _check_memo(raw)
        content = _InertUnpickler(BytesIO(raw), encoding="bytes").load()
        if not isinstance(content, dict):
            raise ValueError("it holds no dictionary")
        return {_text(key): _value(value) for key, value in content.items()}
    except ForeignName as error:
        raise unreadable(path, f"it asks to run {error}, which no CIFAR file does; nothing was run") from error
    # The unpickler's documentation leaves open what a damaged file makes it raise.
    except Exception as error:
        raise unreadable(path, f"it is truncated or corrupt ({_first_line(error)})") from error


def _check_memo(raw: bytes) -> None:
    """Refuse a place in the unpickler's memo that no file of this length can need: it would allocate up to it."""
    for opcode, argument, _ in pickletools.genops(raw):
        if opcode.name in ("PUT", "LONG_BINPUT") and int(argument or 0) > len(raw):
            raise ValueError("an impossible memo index")


def unreadable(path: Path, why: str) -> UsageError:
    """The error for a CIFAR file that cannot be used."""
    return UsageError(f"'{path}' cannot be used: {why}.", "Get the official file again (delete it and add --download).")


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:120] if lines else type(error).__name__


def _value(value: Any) -> Any:
    if isinstance(value, (_Call, _Name)):
        return _array(value) if isinstance(value, _Call) and value.name != "encode" else _bytes(value)
    if isinstance(value, list):
        return [int(_array(item)) if isinstance(item, _Call) and item.name == "scalar" else item for item in value]
    return value


def _array(value: Any) -> npt.NDArray[Any]:
    """A numpy array from the record of how it was pickled (protocols 2 to 5, numpy 1 and 2)."""
    if not isinstance(value, _Call):
        raise ValueError("not an array")
    if value.name == "_reconstruct" and value.state is not None:
        _, shape, kind, fortran, data = value.state
    elif value.name == "_frombuffer":
        data, kind, shape, order = value.args
        fortran = order in ("F", b"F")
    elif value.name == "scalar":
        (kind, data), shape, fortran = value.args, (), False
    else:
        raise ValueError(f"an unexpected {value.name}")
    flat = np.frombuffer(_bytes(data), dtype=_dtype(kind))
    return flat.reshape(tuple(int(size) for size in shape), order="F" if fortran else "C")


def _dtype(value: Any) -> "np.dtype[Any]":
    if not isinstance(value, _Call) or value.name != "dtype":
        raise ValueError("an array without a type")
    code = _text(value.args[0])
    if code not in _TYPES:
        raise ValueError(f"an array of type {code}")
    order = _text(value.state[1]) if value.state else "|"
    return np.dtype((">" if order == ">" else "<") + code)


def _bytes(value: Any) -> bytes:
    if isinstance(value, _Call) and value.name == "encode" and value.args[1:] in (("latin1",), (b"latin1",)):
        value = value.args[0]
    if isinstance(value, str):
        return value.encode("latin1")
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    raise ValueError("data that is no bytes")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _bytes(value).decode("latin1")
