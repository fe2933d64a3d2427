"""``python -m daybook.reference`` writes the reference pages again."""

from __future__ import annotations

import click

from daybook.reference import write

if __name__ == "__main__":
    changed = write()
    click.echo("\n".join(f"docs/reference/{name}" for name in changed) or "every page is current")
