"""What the commands that ask the posting engine share: its client, options, and how answers and refusals are printed.

Commands ask through the engine's socket as the API does, under the same rules; a refusal ends a command with 1, an
engine that cannot be reached with 3.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, NoReturn, TypeVar
from uuid import UUID, uuid4

import click
import msgspec

from api.problem import ProblemError
from api.wallet_refs import wallet_id_of
from daybook.commands import read_settings
from daybook.logs import configure_logging
from daybook.session import EXIT_FINDING, EXIT_UNREACHABLE, LOOK_S, Session, session
from domain.errors import RuleViolation
from domain.ids import NotAUuid, canonical_uuid
from ledger.client import EngineUnavailable, LedgerClient
from ledger.wire import FrameTooLong, PostLine, Reply, Request
from replay.unreadable import EventUnreadable

Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])
LINE = (str, str, int)
NEW_BOOK_TIMEOUT_S = 5.0
"""A running engine takes over a book that was just opened within a second."""


class Moment(click.ParamType[datetime]):
    """A moment with its offset."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read RFC 3339 text; a moment without an offset would mean another one on each machine."""
        try:
            moment = msgspec.convert(value, datetime)
        except msgspec.ValidationError:
            self.fail("must be like 2026-01-31T12:00:00Z", param, ctx)
        if moment.tzinfo is None:
            self.fail("must have an offset, like 2026-01-31T12:00:00Z", param, ctx)
        return moment


class LimitMinor(click.ParamType[int | None]):
    """An overdraft limit in minor units, or `none`."""

    name = "limit"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Read zero or more, or `none` for no limit."""
        if value == "none":
            return None
        if isinstance(value, int):
            return value
        if not str(value).isdecimal():
            self.fail("must be zero or more minor units, or none for no limit", param, ctx)
        return int(value)


class Note(click.ParamType[tuple[str, str]]):
    """One note of metadata, `NAME=TEXT`."""

    name = "note"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split at the first equals sign."""
        name, equals, text = str(value).partition("=")
        if not name or not equals:
            self.fail("must be like order=A-7", param, ctx)
        return name, text


def _key(value: str | None) -> str:
    if value is None:
        return str(uuid4())
    try:
        return canonical_uuid(value, "--key")
    except NotAUuid as wrong:
        raise click.UsageError(str(wrong)) from None


json_option = click.option("--json", "as_json", is_flag=True, help="Print one line of JSON.")
key_option = click.option(
    "--key",
    callback=lambda _ctx, _param, value: _key(value),
    help="A UUID that makes repeating the command safe; a new one unless given.",
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
currency_option = click.option("--currency", help="With an address as WALLET: the currency of the wallet, like BRL.")
reason_option = click.option("--reason", required=True, help="Why; kept with the event.")
reference_option = click.option("--reference", help="A name of your own, unique in the book for ever.")
metadata_option = click.option(
    "--metadata", type=Note(), multiple=True, metavar="NAME=TEXT", help="A note; may be given several times."
)
effective_option = click.option("--effective-at", type=Moment(), help="When it is true; the present unless given.")


def lines_option(*, required: bool = True) -> Callable[[Wrapped], Wrapped]:
    """The lines of a movement."""
    return click.option(
        "--line",
        "lines",
        type=LINE,
        multiple=True,
        required=required,
        metavar="WALLET CURRENCY AMOUNT",
        help="One wallet's part in minor units, + for a debit; a wallet is an id or an address.",
    )


class Asking:
    """The engine and the log of the settings' book, for as long as a command works."""

    def __init__(self, opened: Session, client: LedgerClient) -> None:
        self.opened = opened
        self.book = opened.settings.book
        self._client = client

    def ask(self, request: Request, wanted: str) -> Reply:
        """One request; ends the command unless the reply has the wanted status."""
        give_up_at = time.monotonic() + NEW_BOOK_TIMEOUT_S
        try:
            reply = self._client.ask(request)
            while reply.code == "unknown_book" and time.monotonic() < give_up_at:  # nothing was decided
                time.sleep(LOOK_S)
                reply = self._client.ask(request)
        except EngineUnavailable as away:
            click.echo(f"cannot reach the posting engine: {away}", err=True)
            raise SystemExit(EXIT_UNREACHABLE) from None
        except FrameTooLong as long:
            raise click.UsageError(str(long)) from None
        if reply.status != wanted:
            refuse(f"{reply.code}: {reply.detail}")
        return reply

    def wallet(self, wallet: str, currency: str | None, field: str = "WALLET") -> UUID:
        """The id of a wallet named by id, or by address and currency."""
        return wallet_id_of(self.book, wallet, None if currency is None else currency.upper(), field)

    def lines(self, lines: Sequence[tuple[str, str, int]]) -> tuple[PostLine, ...]:
        """Lines as the engine takes them."""
        return tuple(
            PostLine(self.wallet(wallet, currency, f"lines.{number}.wallet"), currency.upper(), amount)
            for number, (wallet, currency, amount) in enumerate(lines)
        )


@contextlib.contextmanager
def asking(name: str, roles: Sequence[str] = ("engine",)) -> Iterator[Asking]:
    """What a command of the group `name` works with; a rule that says no, or a damaged row, ends it with 1."""
    settings = read_settings()
    configure_logging(settings.log_level, name)
    try:
        with session(settings, roles) as opened, contextlib.closing(LedgerClient(settings.engine_socket)) as client:
            yield Asking(opened, client)
    except RuleViolation as violation:
        refuse(f"{violation.code}: {violation.message}")
    except ProblemError as problem:
        refuse(f"{problem.code}: {problem.detail}")
    except EventUnreadable as damaged:
        refuse(str(damaged))


def refuse(problem: str) -> NoReturn:
    """Say why not, and end the command with 1."""
    click.echo(f"refused: {problem}", err=True)
    raise SystemExit(EXIT_FINDING)


def uuid_of(text: str, name: str) -> UUID:
    """An id given on the command line."""
    try:
        return UUID(canonical_uuid(text, name))
    except NotAUuid as wrong:
        raise click.UsageError(str(wrong)) from None


def decision(reply: Reply, **more: Any) -> dict[str, Any]:
    """What was decided, as it is printed."""
    facts: dict[str, Any] = {"posting_id": reply.posting_id, "status": reply.status, "position": str(reply.position)}
    if reply.dry_run:
        facts["dry_run"] = True
    return {**facts, "replayed": reply.replayed, **more}


def print_facts(facts: Any, as_json: bool) -> None:
    """Print a document: one line of JSON, or a line per fact."""
    plain = msgspec.to_builtins(facts)
    if as_json:
        click.echo(msgspec.json.encode(plain).decode())
        return
    for row in plain if isinstance(plain, list) else [plain]:
        _print_one(row)


def _print_one(facts: dict[str, Any]) -> None:
    for name, value in facts.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            click.echo(f"{name}:")
            for member in value:
                click.echo("  " + "  ".join(f"{field}={text}" for field, text in member.items()))
        else:
            shown = "  ".join(map(str, value)) if isinstance(value, list) else value
            click.echo(f"{name:<22}{shown}")
