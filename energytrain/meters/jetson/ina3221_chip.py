"""What the INA3221 monitor of a power rail gets wrong, and over which time it averages.

From Texas Instruments' data sheet (SBOS576), for every meter that shows its readings. It measures the voltage over a
shunt resistor and that of the rail; drivers multiply the two.
"""

import math
from typing import Dict, Optional, Tuple

# Data sheet, electrical characteristics: largest errors at 25 C, and their drift over 60 K more.
SHUNT_STEP_VOLTS = 40e-6
SHUNT_OFFSET_VOLTS = 80e-6 + 60 * 0.5e-6
BUS_STEP_VOLTS = 8e-3
BUS_OFFSET_VOLTS = 16e-3 + 60 * 80e-6
CHIP_GAIN = 0.0025 + 60 * 50e-6  # of the shunt voltage, and again of the rail's voltage
# Assumed: no parts list of a Jetson is public. A shunt of 1 %, and 1 % more for the copper between it and the chip.
SHUNT_TOLERANCE = 0.01
WIRING = 0.01
# Where a board says neither, the largest errors that any Jetson has: the highest input, the smallest shunt (AGX Orin).
MOST_VOLTS = 20.0
LEAST_SHUNT_OHMS = 0.002

_SAMPLES = (1, 4, 16, 64, 128, 256, 512, 1024)
_CONVERSION_SECONDS = (140e-6, 204e-6, 332e-6, 588e-6, 1.1e-3, 2.116e-3, 4.156e-3, 8.244e-3)


def channel_errors(volts: Optional[float], shunt_ohms: Optional[float]) -> Dict[str, float]:
    """`gain_error` (relative, 95 %), `offset_watts` and `resolution` (watts) of a rail at this voltage.

    An error of the rail's voltage is the same share of every power, so it counts as gain. None, or a rail that is
    switched off (0 V), gets the largest errors that any Jetson has.
    """
    volts = volts or MOST_VOLTS
    shunt_ohms = shunt_ohms or LEAST_SHUNT_OHMS
    bus = (BUS_OFFSET_VOLTS + BUS_STEP_VOLTS) / volts
    return {
        "gain_error": math.hypot(math.hypot(CHIP_GAIN, CHIP_GAIN + bus), math.hypot(SHUNT_TOLERANCE, WIRING)),
        "offset_watts": SHUNT_OFFSET_VOLTS / shunt_ohms * volts,
        "resolution": SHUNT_STEP_VOLTS / shunt_ohms * volts,
    }


def timing_of(config: int) -> Tuple[float, int]:
    """(seconds of one round over the enabled inputs, samples averaged) of a configuration register.

    >>> timing_of(0x7727)
    (0.0066, 64)
    """
    inputs = bin(config >> 12 & 7).count("1")
    round_seconds = inputs * (_CONVERSION_SECONDS[config >> 6 & 7] + _CONVERSION_SECONDS[config >> 3 & 7])
    return round(round_seconds, 6), _SAMPLES[config >> 9 & 7]


def averaging_times(round_seconds: float, samples: int) -> Dict[str, float]:
    """What a channel says of its times where the monitor runs without a break; nothing where it averages nothing.

    Then a reading is one conversion, about a millisecond long. The bounds take what is read at so short a span, or at
    an unknown one, for a moment (energytrain.energy.integrator.aliasing), so an `observed_share` would not narrow them.
    The chip does not wait for its samples and then shows their mean. After every round it moves its reading by a
    share, 1 / samples, of the way to the new value (data sheet, averaging function): a reading lags behind by
    `samples` rounds.
    """
    if samples < 2:
        return {}
    lag = samples * round_seconds
    return {"update_seconds": round_seconds, "averaging_seconds": lag, "smoothing_seconds": lag}
