"""Rebuilds of a few rows: those of one wallet or merchant are folded anew, all others are taken from the live build.

Only a view whose rows each come from one stream can be rebuilt so, and only by the version that made the live build:
rows of two versions side by side would be what no version makes. The rows come with what the live build holds back of
their streams: without that, later events would be folded over the gap.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg

from projections.view import View
from replay import builds, parked, replays, tables
from replay.builds import Build
from replay.replays import Replay

WALLETS_OF = """
select distinct stream_id from log.events
 where topic = 'wallet.opened.v1'
   and (convert_from(state, 'UTF8')::jsonb ->> 'merchant_id' = %(merchant)s
        or convert_from(state, 'UTF8')::jsonb ->> 'address' like 'merchant:' || %(merchant)s || ':%%')
"""
ORDERS_OF = """
select distinct stream_id from log.events
 where topic = 'payment-order.created.v1' and convert_from(state, 'UTF8')::jsonb ->> 'merchant_id' = %(merchant)s
"""
KNOWN = "select 1 from log.events where stream_id = %s and topic = 'wallet.opened.v1' limit 1"


class ScopeRefused(ValueError):
    """This view cannot be rebuilt for one wallet or merchant; the message says why."""


def begin(connection: psycopg.Connection[Any], view: View, scope: dict[str, str]) -> Replay:
    """Copies the live build but for the scope's rows, and records the rebuild of those up to where the live one stands.

    The build is made by itself, because its number is taken under a lock that others wait for; copying takes none. A
    build whose rows were not copied, because the process was killed, is given up by the next rebuild of the view.
    Raises ScopeRefused and NoSuchBuild.
    """
    _live(connection, view)
    streams = _streams(connection, view, scope)
    with connection.transaction():
        replays.give_up(connection, view)
        build = builds.create(connection, view, "filling")
    try:
        return _copied(connection, build, scope, streams)
    except ScopeRefused:
        with connection.transaction():
            replays.discard(connection, build)
        raise


def _copied(
    connection: psycopg.Connection[Any], build: Build, scope: dict[str, str], streams: tuple[UUID, ...]
) -> Replay:
    """In one snapshot, which holds the live rows, what is parked and the position of both together. Nothing is locked
    or changed in it that others change, so that it cannot fail because of them."""
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read")
        live = _live(connection, build.view)
        tables.copy(connection, live, build, streams)
        parked.take_over(connection, live, build, streams)
        parked.carry(connection, build)
        return replays.begin(connection, build, live.position, 1, scope, streams)


def _live(connection: psycopg.Connection[Any], view: View) -> Build:
    live = builds.find(connection, view.name, "live")
    if view.stream_column is None:
        raise ScopeRefused(f"view {view.name}: its rows come from many streams each; rebuild all of it")
    if live.view.version != view.version or not builds.is_of_this_code(live.code_version, view):
        raise ScopeRefused(f"view {view.name}: the live build was made by other code; rebuild all of it")
    return live


def _streams(connection: psycopg.Connection[Any], view: View, scope: dict[str, str]) -> tuple[UUID, ...]:
    of_wallets = all(topic.startswith("wallet.") for topic in view.topics)
    of_orders = all(topic.startswith("payment-order.") for topic in view.topics)
    if "wallet" in scope:
        if not of_wallets:
            raise ScopeRefused(f"view {view.name}: its rows are not of wallets; --only-wallet does not fit")
        if connection.execute(KNOWN, [scope["wallet"]]).fetchone() is None:
            raise ScopeRefused(f"--only-wallet: there is no wallet {scope['wallet']}")
        return (UUID(scope["wallet"]),)
    if not (of_wallets or of_orders):
        raise ScopeRefused(f"view {view.name}: its rows are not of one merchant; rebuild all of it")
    query = WALLETS_OF if of_wallets else ORDERS_OF
    try:
        found = tuple(row[0] for row in connection.execute(query, {"merchant": scope["merchant"]}))
    except psycopg.DataError as unreadable:
        told = f"not every event can be read that says what is whose ({unreadable.diag.message_primary})"
        raise ScopeRefused(f"--only-merchant: {told}; `daybook verify` names it, and rebuild all of the view") from None
    if not found:
        raise ScopeRefused(f"--only-merchant: merchant {scope['merchant']} has nothing in view {view.name}")
    return found
