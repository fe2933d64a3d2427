"""The command line: one file per command, found by its name.

A module here exports ``command``, a click command or group; ``trial_balance.py`` becomes ``daybook
trial-balance``. A command parses, calls a use case and prints; accounting rules and SQL live in the other rooms. A
module whose name starts with an underscore is shared by commands and is none itself.
"""

from __future__ import annotations

import importlib
import pkgutil

import click
import pydantic
from pydantic_settings import SettingsError

from daybook.settings import Settings
from projections.registry import ViewTwice, add_modules


class CommandFolder(click.Group):
    """A group whose commands are the modules of this folder, each imported only when it is called for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the commands' names in alphabetical order."""
        return sorted(
            module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__) if module.name[0] != "_"
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None when there is no such file."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{__name__}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command


def read_settings() -> Settings:
    """Read the settings; a wrong variable ends the command with a message that names it."""
    try:
        settings = Settings()
        add_view_modules(settings)
    except (ImportError, ViewTwice) as problem:
        raise click.UsageError(f"DAYBOOK_VIEW_MODULES: {problem}") from None
    except SettingsError as problem:  # JSON that is none
        raise click.UsageError(f"wrong settings: {problem}") from None
    except pydantic.ValidationError as problem:
        lines = [": ".join(filter(None, (_variable(e["loc"]), e["msg"]))) for e in problem.errors()]
        raise click.UsageError("wrong settings\n" + "\n".join(lines)) from None
    return settings


def _variable(place: tuple[int | str, ...]) -> str:
    """The variable that is wrong, and where in its JSON; none where two of them are wrong together, which the message
    then names."""
    return ".".join((f"DAYBOOK_{place[0]}".upper(), *map(str, place[1:]))) if place else ""


def add_view_modules(settings: Settings) -> None:
    """Views that the settings name beside our own. Raises ImportError and ViewTwice."""
    add_modules(filter(None, (name.strip() for name in settings.view_modules.split(","))))


@click.group(cls=CommandFolder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="daybook")
def main() -> None:
    """Daybook: an event-sourced ledger for payments. Settings are DAYBOOK_* variables."""
