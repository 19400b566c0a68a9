"""`energytrain meter watch`: a live view of a run under way, or of this machine's meters where there is none."""

import contextlib
import json
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, NamedTuple, Optional, Tuple

import click

if TYPE_CHECKING:
    from ..energy.watch import Look, TraceWatch

EVERY_SECONDS = 1.0


@click.command(
    name="watch", help="A live view of the run under way, or of the meters where there is none. Ctrl-C ends it."
)
@click.argument("run", required=False)
@click.option("--meter", "meters", multiple=True, metavar="NAME[:KEY=VALUE,...]", help="Watch this meter and no run.")
@click.option("--runs-dir", default="runs", show_default=True, help="Where to look for a run under way.")
@click.option(
    "--sample-hz",
    type=click.FloatRange(min=0, min_open=True),
    default=100.0,
    show_default=True,
    help="Readings a second and meter, at most; a run's own meters keep their rate.",
)
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), help="End after so many seconds.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line, each second; the last one has the total.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(
    run: Optional[str],
    meters: Tuple[str, ...],
    runs_dir: str,
    sample_hz: float,
    seconds: Optional[float],
    as_json: bool,
    debug: bool,
) -> None:
    from ..errors import UsageError

    if run is not None and meters:
        raise UsageError("a run is watched by its own meters.", "Leave out --meter, or the run.")
    # A terminated view ends like an interrupted one: its recorder and its temporary folder go with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.ExitStack() as stack:
        watched = None if meters else _run(run, Path(runs_dir))
        if watched is None:
            watched = stack.enter_context(_meters(meters, sample_hz))
        _follow(watched, seconds, as_json)


class _Watched(NamedTuple):
    """What is watched: its name, its trace, what goes on, and why it is over, None while it is not."""

    name: str
    watch: "TraceWatch"
    doing: Callable[[], str]
    over: Callable[["Look"], Optional[str]]


def _run(named: Optional[str], runs_dir: Path) -> Optional[_Watched]:
    """The run of that name, or the newest one under way that is metered; None where there is none."""
    from ..errors import UsageError
    from ..runs.find import find_runs
    from ..runs.underway import RunWatch, runs_underway

    if named is not None:
        folders = find_runs([Path(named)], runs_dir)
        if len(folders) != 1:
            raise UsageError(f"'{named}' is {len(folders)} runs.", "Name one.")
        return _attached(RunWatch(folders[0]))
    folders = runs_underway(runs_dir)
    for folder in folders:
        try:
            return _attached(RunWatch(folder))
        except UsageError as error:
            click.echo(f"energytrain: {error.message}", err=True)
    return None


def _attached(run: Any) -> _Watched:
    """UsageError where the run has no readings to watch."""
    from ..energy.watch import TraceWatch

    doing = run.begun()
    watch = TraceWatch(doing.trace, doing.primary)
    click.echo(f"watching the run {run.path} (its trace is only read: {doing.trace}).", err=True)
    return _Watched(f"run {run.path.name}", watch, lambda: run.look().words(), run.over)


@contextlib.contextmanager
def _meters(named: Tuple[str, ...], sample_hz: float) -> Iterator[_Watched]:
    """The meters of this machine, read by a recorder of our own. MeterUnavailable where there is nothing to watch."""
    from ..energy.watch import TraceWatch, own_recorder
    from ..meters.catalog import meters_named

    specs, declared = meters_named(named)
    with own_recorder(specs, declared, sample_hz) as recorder:
        for part in recorder.unavailable if declared else ():
            click.echo(f"energytrain: {part['meter']}: {part['why']}", err=True)
        yield _Watched("meters of this machine", TraceWatch(recorder.trace), str, lambda look: recorder.failure)


def _follow(watched: _Watched, seconds: Optional[float], as_json: bool) -> None:
    """Shows a look each second until there is nothing more to see, the time is up, or Ctrl-C; then the total."""
    from ..reports.terminal.watch_view import total_line
    from .console import console

    over: Optional[str] = None
    with contextlib.suppress(KeyboardInterrupt), _shown(watched, as_json) as show:
        due = time.monotonic()
        end = due + (float("inf") if seconds is None else seconds)
        while True:
            look = watched.watch.look()
            show(look)
            over = watched.over(look)
            if over is not None:
                break
            now = time.monotonic()
            if now >= end:
                break
            due = max(due + EVERY_SECONDS, now)
            time.sleep(min(due, end) - now)
    total = watched.watch.total()
    if as_json:
        click.echo(json.dumps({"name": watched.name, "over": over, "total": total.to_json()}))
        return
    out = console()
    for line in filter(None, (over, total_line(total))):
        out.print(line, markup=False, soft_wrap=not out.is_terminal)


@contextlib.contextmanager
def _shown(watched: _Watched, as_json: bool) -> Iterator[Callable[["Look"], None]]:
    """How a look is shown: as JSON, on the whole terminal, or as a plain line."""
    from ..reports.terminal.watch_view import WatchView, plain_line
    from .console import console

    out = console()
    if as_json:
        yield lambda look: click.echo(
            json.dumps({"name": watched.name, "doing": watched.doing() or None, **look.to_json()})
        )
    elif not out.is_terminal:
        yield lambda look: click.echo(plain_line(look, watched.doing()))
    else:
        from rich.live import Live

        last: Optional[WatchView] = None
        with Live(console=out, screen=True, auto_refresh=False) as live:

            def show(look: "Look") -> None:
                nonlocal last
                doing = watched.doing()
                last = WatchView(look, f"{watched.name}: {doing}" if doing else watched.name)
                live.update(WatchView(last.look, last.title, "Ctrl-C ends this view."), refresh=True)

            try:
                yield show
            finally:
                live.stop()
                if last is not None:
                    out.print(last)
