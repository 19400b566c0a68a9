"""A fake of jtop's service: a process behind a socket that speaks with jetson-stats' own client, whichever version.

`FakeJtop(folder)` starts it; `set(...)` changes what it does, at once. Each rail's power is a square wave: it is `high`
watts in the first half of each `period` seconds of CLOCK_MONOTONIC, else `low`; a period of 0 is constant `high`. The
service samples it every `interval` seconds, as the real one samples a monitor.

Settings: rails {name: [high, low, period]}; total, the rail shown as the total; failing [rail, ...] that cannot be
read; hang, to publish nothing more; mute, not to answer a hello; interval, one that another client has set; version;
key, another than jetson-stats' own (read when it starts).
"""

import json
import multiprocessing.managers
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, List

TX2_RAILS = {
    "VDD_IN": [9.0, 9.0, 0.0],
    "VDD_SYS_CPU": [2.0, 2.0, 0.0],
    "VDD_SYS_DDR": [1.0, 1.0, 0.0],
    "VDD_SYS_GPU": [4.0, 4.0, 0.0],
    "VDD_SYS_SOC": [1.5, 1.5, 0.0],
    "VDD_4V0_WIFI": [0.1, 0.1, 0.0],
}


class FakeJtop:
    """A running fake service; `close` ends it. `socket`: its path, to be given as the meter's option."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.socket = folder / "jtop.sock"
        self._control = folder / "jtop.json"
        self._settings: Dict[str, Any] = {"rails": TX2_RAILS, "total": "VDD_IN"}
        self.set(**settings)
        self.start()

    def set(self, **settings: Any) -> None:
        self._settings.update(settings)
        fresh = self._control.with_suffix(".new")
        fresh.write_text(json.dumps(self._settings))
        os.replace(fresh, self._control)

    def start(self) -> None:
        command = [sys.executable, __file__, str(self.socket), str(self._control)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", self._process.communicate()[1].decode()

    def kill(self) -> None:
        """Ends it as a crash does: the socket stays."""
        self._process.kill()
        self._process.communicate()

    def close(self) -> None:
        self.kill()
        self.socket.unlink(missing_ok=True)

    def joules(self, rail: str, start: float, end: float) -> float:
        """What the rail really used between two moments of CLOCK_MONOTONIC, in seconds."""
        high, low, period = self._settings["rails"][rail]
        if not period:
            return float(high * (end - start))

        def seconds_high(t: float) -> float:
            return t // period * period / 2 + min(t % period, period / 2)

        up = seconds_high(end) - seconds_high(start)
        return float(high * up + low * (end - start - up))


def _watts(high: float, low: float, period: float, t: float) -> float:
    return high if not period or t % period < period / 2 else low


class _Service:
    """What lies behind the socket: a queue of questions, the published data, and an event for each publication."""

    def __init__(self, control: Path) -> None:
        self.questions: Any = queue.Queue()
        self.data: Dict[str, Any] = {}
        self.event = threading.Event()
        self._control = control
        self._interval = 0.0

    def settings(self) -> Dict[str, Any]:
        return dict(json.loads(self._control.read_text()))

    def answer(self) -> None:
        while True:
            question = self.questions.get()
            settings = self.settings()
            if settings.get("mute") or "init" in question:  # for the client to find it again
                self.questions.put(question)
                time.sleep(0.005)
            elif "interval" in question:
                if not self._interval:
                    self._interval = settings.get("interval") or question["interval"]
                    threading.Thread(target=self.publish, daemon=True).start()
                self.questions.put({"init": self.hello(settings)})

    def hello(self, settings: Dict[str, Any]) -> Dict[str, Any]:
        return {
            "version": settings.get("version") or _installed_version(),
            "interval": self._interval,
            "board": {"hardware": {"SoC": "tegra186", "Module": "NVIDIA Jetson TX2"}},
            "memory": "",
            "fan": {"tegra_pwmfan": ["temp_control", "manual"]},
            "jc": True,
            "nvpmodel": {"models": ["MAXN", "MAXQ"], "default": {"name": "MAXN", "id": 0}},
        }

    def publish(self) -> None:
        while True:
            began = time.monotonic()
            settings = self.settings()
            if not settings.get("hang"):
                self.data.update(self.gathered(settings))
                self.event.set()
            time.sleep(max(0.0, self._interval - (time.monotonic() - began)))

    def gathered(self, settings: Dict[str, Any]) -> Dict[str, Any]:
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        now = time.monotonic()
        rails = {
            name: {"volt": 19000, "power": round(1000 * _watts(*wave, now)), "avg": 77777, "online": True}
            for name, wave in settings["rails"].items()
            if name not in settings.get("failing", ())
        }
        if settings.get("total") in rails:
            total: Dict[str, Any] = {**rails.pop(settings["total"]), "name": settings["total"]}
        else:
            total = {"power": sum(rail["power"] for rail in rails.values()), "avg": 77777}
        cores: List[Dict[str, Any]] = [
            {"online": True, "freq": {"cur": 2_035_200}, "idle": 30.0},
            {"online": False},
            {"online": True, "freq": {"cur": 1_420_800}, "idle": 90.0},
        ]
        return {
            "uptime": uptime,
            "power": {"rail": rails, "tot": total},
            "temperature": {
                "GPU": {"temp": 41.5, "online": True},
                "Tboard": {"temp": -256, "online": False},
            },
            "gpu": {"gp10b": {"type": "integrated", "status": {"load": 62.5}, "freq": {"cur": 1_300_500}}},
            "cpu": {"total": {"idle": 3.0}, "cpu": cores},
            "mem": {"EMC": {"cur": 1_866_000, "max": 1_866_000}},
            "fan": {"tegra_pwmfan": {"speed": [40.0], "profile": "manual"}},
            "nvp": {"status": [True, True], "thread": False, "model": {"name": "MAXQ", "id": 1}},
            "jc": {"enable": True, "thread": "", "config": False, "boot": False},
            "engines": {},
            "processes": [],
        }


def _installed_version() -> str:
    import jtop

    return str(jtop.__version__)


class _Manager(multiprocessing.managers.BaseManager):
    pass


def main(socket: str, control: str) -> None:
    from jtop.core.common import get_key

    Path(socket).unlink(missing_ok=True)
    service = _Service(Path(control))
    _Manager.register("get_queue", callable=lambda: service.questions)
    _Manager.register("sync_data", callable=lambda: service.data)
    _Manager.register("sync_event", callable=lambda: service.event)
    key = service.settings().get("key") or get_key()
    server = _Manager(address=socket, authkey=key.encode()).get_server()
    threading.Thread(target=service.answer, daemon=True).start()
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
