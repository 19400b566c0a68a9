"""Marks as a run writes them, with a clock that the test moves."""


class Script:
    """Marks with a clock that the test moves, in seconds."""

    def __init__(self):
        self.events, self.now, self.attempt = [], 0.0, 0

    def mark(self, kind, after=0.0, **fields):
        self.now += after
        self.events.append({"kind": kind, "t": int(self.now * 1e9), "attempt": self.attempt, **fields})
        return self

    def begin(self, boot="a", **fields):
        self.attempt += 1
        return self.mark("attempt", boot_id=boot, here=True, primary=[], **fields)

    def span(self, name, phase, epoch, what, seconds, **end):
        self.mark("start", span=name, phase=phase, epoch=epoch, what=what)
        return self.mark("end", after=seconds, span=name, **end)
