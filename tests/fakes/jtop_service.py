"""jtop's own service, as the installed jetson-stats has it, over the files of a fake board.

`RealJtop(folder, root)` starts it in a process of its own. Patched is only what ties it to a board and to root: where
its socket, its settings and the power monitors lie, the group that owns the socket, and the question what hardware this
is. The service itself runs on every Python that jetson-stats runs on.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path


class RealJtop:
    """A running service; `close` ends it. `socket`: its path, to be given as the meter's option."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.socket = folder / "jtop.sock"
        command = [sys.executable, __file__, str(self.socket), str(root)]
        self._log = open(folder / "jtop.log", "wb")  # noqa: SIM115
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._log, start_new_session=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", (folder / "jtop.log").read_text()

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)  # with the processes that it has started
        self._process.communicate()
        self._log.close()


def main(socket: str, root: str) -> None:
    import jtop.core.config as config
    import jtop.core.power as power
    import jtop.service as service

    find = power.find_all_i2c_power_monitor
    group = type("Group", (), {"gr_gid": os.getgid()})
    power.find_all_i2c_power_monitor = lambda path: find(root + path)
    config.get_config_service = lambda *_: str(Path(socket).parent)
    service.JTOP_PIPE = socket
    service.getgrnam = lambda _: group
    service.get_hardware = dict
    os.getuid = lambda: 0
    os.chown = lambda *_: None  # type: ignore[assignment]
    server = service.JtopServer(force=True)
    server.start()
    print("ready", flush=True)
    server.join()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
