"""The `energytrain` command: finds a command's file when it is asked for, and turns failures into one sentence."""

import importlib
import os
import sys
from typing import List, Optional

import click

from .. import __version__
from ..errors import EnergytrainError

COMMANDS = {
    "run": "Train by a method, metered, and report what it cost.",
    "plan": "What methods would cost on a device, without training.",
    "bench": "Run a suite: a matrix of runs, and their comparison.",
    "runs": "List, show and remove runs.",
    "report": "Tables of one or more runs.",
    "meter": "The energy of any program; a live view of the meters.",
    "devices": "What can be metered here, and what can be modelled.",
    "methods": "The training methods and where they come from.",
}


class LazyGroup(click.Group):
    """Imports a command's module only when that command runs, so that `--help` answers at once."""

    def list_commands(self, ctx: click.Context) -> List[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> Optional[click.Command]:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"energytrain.cli.{name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: List[str]):  # type: ignore[no-untyped-def]
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from ..errors import unknown

            raise unknown("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="energytrain")
def group() -> None:
    """What did this training cost in joules, what would the cheaper way have cost, what accuracy did it buy?

    `energytrain run` with no options trains on scikit-learn's digits in under a minute.

    Exit status: 0 done; 1 the run failed; 2 wrong usage or input; 3 result saved, but a declared meter is incomplete;
    5 done, some inputs were skipped; 130 interrupted, the same command continues.
    """


def main(args: Optional[List[str]] = None) -> None:
    """Run the command line and end the process with its exit status."""
    sys.exit(run(sys.argv[1:] if args is None else args))


def run(args: List[str]) -> int:
    """Run the command line and return its exit status; every failure is one sentence on standard error."""
    debug = "--debug" in args[: args.index("--")] if "--" in args else "--debug" in args
    try:
        return int(group.main(args=args, prog_name="energytrain", standalone_mode=False) or 0)
    except click.exceptions.Abort:
        return 130
    except KeyboardInterrupt:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing to say, and no second complaint at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except EnergytrainError as error:
        if debug:
            raise
        click.echo(f"energytrain: {error}", err=True)
        return error.exit_status
    except Exception as error:
        if debug:
            raise
        click.echo(f"energytrain: internal error: {error!r}. Run again with --debug for the traceback.", err=True)
        return 1
