"""``daybook replay corrections``: the adjustments that merchants need after a view paid out by a wrong number."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from daybook.clock import SystemClock
from daybook.commands._ledger import Asking, asking, json_option, print_facts, refuse
from daybook.commands._moments import AsOf, as_of_help, position_of
from domain.errors import RuleViolation
from eventlog.recorded import Meta
from ledger.adjustments import Adjustments, DecidedMeanwhile
from projections.queries import MomentNotReached
from projections.registry import UnknownView, view
from replay.builds import NoSuchBuild
from replay.compare import NotLevel
from replay.correction_sides import NotCorrectable
from replay.corrections import Corrections, Draft, Earlier, draft_corrections
from replay.differing import KeysDiffer
from replay.fill import EventRefused
from replay.report import amount

REFUSALS = (EventRefused, KeysDiffer, NoSuchBuild, NotCorrectable, NotLevel)


@click.command("corrections")
@click.argument("name", metavar="VIEW")
@click.option("--until", type=AsOf(), help=as_of_help + " The present, or the swap, unless given.")
@click.option("--build", type=int, help="The wrong build, where several were live before the one that is right.")
@click.option("--propose", is_flag=True, help="Propose them; nothing is posted before somebody else approves.")
@click.option("--by", metavar="NAME", help="With --propose: your own id here, for the four eyes.")
@json_option
def command(
    name: str, until: int | datetime | None, build: int | None, propose: bool, by: str | None, as_json: bool
) -> None:
    """Draft the adjustments that set right what was paid out by a wrong build of VIEW.

    Before a swap the live build is held against the new one, after it the kept one against the live one, over what
    readers saw of it. The view says which accounts correct which column. What was proposed before is left out.
    """
    if propose != (by is not None):
        raise click.UsageError("--propose, --by: give both, or neither")
    with asking("replay", ("engine", "views")) as asked:
        found = _drafted(asked, name, until, build)
        proposed = [] if by is None else _proposed(asked, found.drafts, f"cli:{by}")
    if as_json:
        print_facts(_facts(found, proposed), as_json=True)
    else:
        _print(found, proposed)


def _drafted(asked: Asking, name: str, until: int | datetime | None, build: int | None) -> Corrections:
    opened = asked.opened
    try:
        end = position_of(opened, until, "--until")
        decode = opened.log.log_mapper.decode
        return draft_corrections(opened.database_url, opened.recorder, decode, view(name), asked.book, end, build)
    except (MomentNotReached, UnknownView) as wrong:
        raise click.UsageError(str(wrong)) from None
    except REFUSALS as problem:
        refuse(str(problem))


def _proposed(asked: Asking, drafts: tuple[Draft, ...], by: str) -> list[str]:
    """Proposes all drafts; one that is refused ends the command and is named, those before it stay proposed."""
    adjustments = Adjustments(asked.opened.log, SystemClock())
    proposed = []
    for draft in drafts:
        try:
            adjustments.propose(draft.proposal(by), Meta(actor=by))
        except (RuleViolation, DecidedMeanwhile) as problem:
            refuse(f"adjustment {draft.adjustment_id} of {draft.whose.merchant or 'no merchant'}: {problem}")
        proposed.append(draft.adjustment_id)
    return proposed


def _facts(found: Corrections, proposed: list[str]) -> dict[str, Any]:
    return {
        "view": found.view,
        "from_build": found.wrong,
        "to_build": found.right,
        "position": str(found.position),
        "drafts": [_draft_facts(draft) for draft in found.drafts],
        "proposed": proposed,
        "earlier": [_earlier_facts(one) for one in found.earlier],
    }


def _draft_facts(draft: Draft) -> dict[str, Any]:
    about = {"adjustment_id": draft.adjustment_id, **draft.whose._asdict()}
    return {**about, "lines": draft.lines, "reason": draft.reason, "metadata": draft.metadata}


def _earlier_facts(one: Earlier) -> dict[str, Any]:
    about = {"adjustment_id": one.adjustment_id, "state": one.state, **one.whose._asdict()}
    return {**about, "position": one.position, "lines": one.lines}


def _print(found: Corrections, proposed: list[str]) -> None:
    where = f"view {found.view}: build {found.wrong} was wrong, build {found.right} is right"
    click.echo(f"{where}, at position {found.position}")
    for draft in found.drafts:
        state = "proposed" if draft.adjustment_id in proposed else "draft"
        click.echo(f"{state} {draft.adjustment_id} for {draft.whose.merchant or 'no merchant'}")
        for line in draft.lines:
            side = "debit " if line.amount_minor > 0 else "credit"
            click.echo(f"  {side} {amount(abs(line.amount_minor), line.currency):>18}  {line.address}")
        click.echo(f"  {draft.reason}")
    for one in found.earlier:
        click.echo(f"{one.state} before: {one.adjustment_id} for {one.whose.merchant or 'no merchant'}")
    if not found.drafts:
        click.echo("nothing is left to correct")
    elif not proposed:
        click.echo("nothing was proposed: do that with --propose --by YOU")
