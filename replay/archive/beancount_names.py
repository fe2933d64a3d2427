"""Account names of Beancount for addresses of ours, one for one and back again.

A name's parts begin with a capital or a digit and go on with letters, digits and hyphens; ours have no capitals, and
`.` and `_` besides. So `merchant:{id}:available` is `Liabilities:Merchant:{Id}:Available`, `psp:acme:in_transit` is
`Assets:Psp:Acme:InTransit`, and what is left over is spelt out: `-U` is `_`, `-D` is `.`, `-E` follows an `X` that is
there only because a part has to begin with something.
"""

from __future__ import annotations

import re
from typing import Final

from domain.chart import AccountKind

ROOTS: Final[dict[AccountKind, str]] = {
    "asset": "Assets",
    "liability": "Liabilities",
    "income": "Income",
    "expense": "Expenses",
    # Memo lines sum to zero among themselves in every posting, so they add nothing to equity.
    "memo": "Equity",
}
_ESCAPES: Final = {"_": "-U", ".": "-D"}
_SPELT: Final = {"U": "_", "D": "."}
_OTHERS = re.compile(r"[._]")
_WORD = re.compile(r"(?<=[a-z0-9])_([a-z])")
_SPELT_OUT = re.compile(r"-([UD])|([A-Z])")


def account_name(address: str, kind: AccountKind) -> str:
    """The name of the account at an address that the chart knows as one of this kind."""
    return ":".join((ROOTS[kind], *map(_part, address.split(":"))))


def address_of(name: str) -> str:
    """The address that a name stands for."""
    return ":".join(map(_segment, name.split(":")[1:]))


def _part(segment: str) -> str:
    words = _WORD.sub(lambda found: found[1].upper(), segment)
    spelt = _OTHERS.sub(lambda found: _ESCAPES[found[0]], words)
    return spelt[0].upper() + spelt[1:] if segment[0].isalnum() else f"X-E{spelt}"


def _segment(part: str) -> str:
    rest = part.removeprefix("X-E") if part.startswith("X-E") else part[0].lower() + part[1:]
    return _SPELT_OUT.sub(lambda found: _SPELT[found[1]] if found[1] else f"_{found[2].lower()}", rest)
