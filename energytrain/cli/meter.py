"""`energytrain meter -- COMMAND`: the energy of any program; `energytrain meter watch`: a live view of the meters."""

import contextlib
import json
import sys
from pathlib import Path
from typing import Iterator, List, Optional, TextIO, Tuple

import click

from .watch import command as watch

_PROGRAM = "energytrain.program"


class MeterGroup(click.Group):
    """What follows `--` is a program and its arguments, for nobody but that program to read."""

    def parse_args(self, ctx: click.Context, args: List[str]) -> List[str]:
        if "--" in args and args[0] not in self.commands:
            ctx.meta[_PROGRAM] = args[args.index("--") + 1 :]
            args = args[: args.index("--")]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: click.Context, args: List[str]):  # type: ignore[no-untyped-def]
        if args[0] not in self.commands:
            from ..errors import UsageError

            known = ", ".join(f"'{name}'" for name in self.commands)
            hint = f"A program is written behind '--': energytrain meter -- {args[0]}. Known: {known}."
            raise UsageError(f"'{args[0]}' is no command of meter.", hint)
        return super().resolve_command(ctx, args)


@click.group(cls=MeterGroup, invoke_without_command=True, subcommand_metavar="-- COMMAND [ARGS]... | watch [RUN]")
@click.option("--meter", "meters", multiple=True, metavar="NAME[:KEY=VALUE,...]", help="A meter; repeatable; or none.")
@click.option(
    "--sample-hz",
    type=click.FloatRange(min=0, min_open=True),
    default=100.0,
    show_default=True,
    help="Readings a second and meter, at most.",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    help="Print the energy of every so many seconds, too.",
)
@click.option("--trace", type=click.Path(path_type=Path), metavar="FILE", help="Keep the readings in this new file.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), metavar="FILE", help="Write the report there, not to stderr."
)
@click.option("--json", "as_json", is_flag=True, help="The report as JSON, on standard output without --output.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def command(
    ctx: click.Context,
    meters: Tuple[str, ...],
    sample_hz: float,
    interval: Optional[float],
    trace: Optional[Path],
    output: Optional[Path],
    as_json: bool,
    debug: bool,
) -> None:
    """The energy of a program, or with 'watch' a live view of the meters.

    `energytrain meter -- COMMAND ARGS` runs the program and prints what it used to standard error, so that its own
    output stays clean. With --json the report stands alone on standard output, and the program's own output goes to
    standard error; with --output FILE the program keeps both.

    The total is that of the primary channel: the widest scope that a meter here covers. Ctrl-C and other signals are
    the program's; what ran until then is reported all the same.

    Exit status: the program's (128 + N where signal N ended it, 127 not found, 126 not executable); 3 where that is 0
    but a meter named by --meter is incomplete.
    """
    from ..errors import UsageError

    if ctx.invoked_subcommand is not None:
        if [name for name in ctx.params if _is_given(ctx, name)]:
            raise UsageError(f"options of '{ctx.invoked_subcommand}' belong behind its name.")
        return
    program = ctx.meta.get(_PROGRAM)
    if program is None and not [name for name in ctx.params if _is_given(ctx, name)]:
        click.echo(ctx.get_help())
        return
    if not program:
        raise UsageError("no program is given.", "Write it behind '--': energytrain meter -- COMMAND ARGS.")
    ctx.exit(_meter(program, meters, sample_hz, interval, trace, output, as_json))


command.add_command(watch, "watch")


def _is_given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _meter(
    program: List[str],
    named: Tuple[str, ...],
    sample_hz: float,
    interval: Optional[float],
    trace: Optional[Path],
    output: Optional[Path],
    as_json: bool,
) -> int:
    from ..energy.command import meter_command
    from ..meters.catalog import meters_named
    from ..reports.terminal.metered_command import interval_line, render_command
    from .console import PIPE_WIDTH, Patient, console

    meters, declared = meters_named(named)
    with _report(output, as_json) as report:
        out = Patient(file=report, width=None if report.isatty() else PIPE_WIDTH, highlight=False)
        result = meter_command(
            program,
            meters,
            declared,
            sample_hz,
            trace,
            stdout=sys.stderr.fileno() if as_json and output is None else None,
            interval=interval,
            tell=lambda end, energy: console(stderr=True).print(interval_line(end, energy.to_json()), markup=False),
        )
        if as_json:
            out.print(json.dumps(result.to_json(), indent=1), markup=False, soft_wrap=True)
        else:
            out.print(render_command(result.to_json()))
    return result.exit_status


@contextlib.contextmanager
def _report(output: Optional[Path], as_json: bool) -> Iterator[TextIO]:
    """Where the report goes. A file is opened first, so that no measurement is made whose report has no place."""
    if output is None:
        yield sys.stdout if as_json else sys.stderr
        return
    from ..errors import UsageError

    try:
        file = output.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the report '{output}' cannot be written ({error.strerror}).", "Name another file.") from None
    with file:
        yield file
