"""`with energytrain.measure("epoch") as window: ...`: the energy of any stretch of a program."""

import sys
from types import TracebackType
from typing import Any, Dict, Optional, Sequence, Tuple, Type, Union

from ..errors import UsageError
from ..meters.catalog import MeterSpec, check_meter, parse_meter, usual_meters
from ..quantities.energy import Energy
from .integrator.integrate import energy_of
from .primary import choose_primary, primary_energy
from .recorder.client import Recorder
from .recorder.config import DEFAULT_HZ
from .recorder.shared import Session, shared
from .traces.clocks import monotonic_ns
from .traces.series import Trace

SAMPLE_WAIT_SECONDS = 2.0


def measure(
    name: str = "window", meters: Optional[Sequence[Union[str, MeterSpec]]] = None, hz: Optional[float] = None
) -> "Measurement":
    """A context manager that measures what happens inside it; windows may nest and overlap.

    meters: specs such as "nvml:gpu=0"; every meter that works here by default. hz: reads a second (100).
    The first window starts a recorder process, which all windows share and which ends with this process. Entering
    waits until each meter gave a sample (2 s at most); work that CUDA still has in flight is waited for at both edges.
    UsageError for a meter that does not exist; where none can be read here, `energy` is missing and says why.

    >>> with measure("training") as window:
    ...     pass
    >>> window.energy.provenance in ("measured", "missing")
    True
    """
    specs = usual_meters() if meters is None else [_spec(meter) for meter in meters]
    if hz is not None and not 0 < hz < float("inf"):
        raise UsageError(f"a sampling rate of {hz} Hz is not possible.", "Name one above 0, such as 100.")
    return Measurement(name, tuple(specs), DEFAULT_HZ if hz is None else hz)


def _spec(meter: Union[str, MeterSpec]) -> MeterSpec:
    spec = parse_meter(meter) if isinstance(meter, str) else meter
    check_meter(spec)
    return spec


class Measurement:
    """One window. Its energies are computed when first asked for, after the window has closed.

    start_ns, end_ns: its edges on CLOCK_MONOTONIC.
    """

    def __init__(self, name: str, meters: Tuple[MeterSpec, ...], hz: float) -> None:
        self.name = name
        self.start_ns: Optional[int] = None
        self.end_ns: Optional[int] = None
        self._meters = meters
        self._hz = hz
        self._session: Optional[Session] = None
        self._energy: Optional[Energy] = None
        self._energies: Optional[Dict[str, Energy]] = None

    def __enter__(self) -> "Measurement":
        if self._session is not None:
            raise UsageError(f"the window '{self.name}' was opened before.", "Call measure() anew for each window.")
        self._session = shared().acquire(self._meters, self._hz)
        self._session.wait_sampled(SAMPLE_WAIT_SECONDS)
        _wait_for_cuda()
        self.start_ns = monotonic_ns()
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        assert self._session is not None
        try:
            if kind is None:  # after an error CUDA may be unusable, and the error is what the user needs to see
                _wait_for_cuda()
        finally:
            self.end_ns = monotonic_ns()
            shared().release(self._session)

    @property
    def seconds(self) -> float:
        """The window's length; up to now while it is open."""
        if self.start_ns is None:
            return 0.0
        return ((monotonic_ns() if self.end_ns is None else self.end_ns) - self.start_ns) * 1e-9

    @property
    def energy(self) -> Energy:
        """The window's energy on the primary channel; missing, with the reason and the fix, where nothing was read.

        UsageError while the window is open.
        """
        if self._energy is None:
            self._compute()
        assert self._energy is not None
        return self._energy

    @property
    def energies(self) -> Dict[str, Energy]:
        """The window's energy on each channel, by the channel's name; scopes may overlap, so do not add them up."""
        if self._energies is None:
            self._compute()
        assert self._energies is not None
        return dict(self._energies)

    def _compute(self) -> None:
        if self._session is None or self.start_ns is None or self.end_ns is None:
            raise UsageError(f"the window '{self.name}' has not ended.", "Read its energy after the with block.")
        trace = self._session.trace_beyond(self.end_ns)
        self._energies = {}
        if trace is not None:
            self._energies = {
                name: energy_of(series, self.start_ns, self.end_ns) for name, series in trace.metered.items()
            }
        self._energy = self._primary(trace, self._session, self.start_ns, self.end_ns)

    def _primary(self, trace: Optional[Trace], session: Session, start_ns: int, end_ns: int) -> Energy:
        primary = choose_primary(session.recorder.channels)
        if trace is not None and primary:
            energy = primary_energy(trace, primary, start_ns, end_ns)
            if energy.joules is not None or session.recorder.failure is None:
                return energy
        return Energy.missing(why_missing(session.recorder), self.seconds)


def why_missing(recorder: Recorder) -> str:
    """Why a recorder has nothing to say: its failure, or the reason and the fix of each meter."""
    if recorder.failure is not None:
        return recorder.failure
    reasons = [
        " ".join(filter(None, (f"{entry['meter']}: {entry['why']}", entry["fix"]))) for entry in recorder.unavailable
    ]
    return "no meter can be read here: " + "; ".join(reasons) if reasons else "no meter was asked for."


def _wait_for_cuda() -> None:
    """Waits for the work in flight on the CUDA devices that this process uses; nothing where torch is not loaded."""
    torch: Any = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    if cuda is None or not cuda.is_initialized():
        return
    for device in range(cuda.device_count()):
        # Only where memory is held: to synchronise an unused device would open a context on it.
        if device == cuda.current_device() or cuda.memory_reserved(device):
            cuda.synchronize(device)
