"""``python -m daybook`` is the command ``daybook``."""

from __future__ import annotations

from daybook.commands import main

if __name__ == "__main__":
    main(prog_name="daybook")
