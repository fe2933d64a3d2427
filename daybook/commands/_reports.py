"""Pages that commands write beside what they print."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from daybook.session import EXIT_FINDING


class PageFile(click.Path):
    """A file that can be written, looked at before anything else: what goes into it can take long to find."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; its folder must be there and be writable."""
        path: Any = super().convert(value, param, ctx)
        if not path.parent.is_dir():
            self.fail(f"there is no folder {path.parent}", param, ctx)
        if not path.exists() and not os.access(path.parent, os.W_OK):
            self.fail(f"folder {path.parent} cannot be written into", param, ctx)
        return path


html_option = click.option("--html", type=PageFile(), help="Write a page to be mailed.")


def write_page(file: Path, page: str) -> None:
    """Write it, or say why not and end the command with 1: a disk can fill up meanwhile."""
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as problem:
        click.echo(f"cannot write {file}: {problem.strerror}", err=True)
        raise SystemExit(EXIT_FINDING) from None
