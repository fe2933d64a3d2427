"""Rebuilds of a few rows: those of one wallet or merchant are folded anew, all others are taken from the live build.

Only a view whose rows each come from one stream can be rebuilt so, and only by the version that made the live build:
rows of two versions side by side would be what no version makes.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from projections.view import View
from replay import builds, replays
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
    """Copies the live build but for the scope's rows, and records the rebuild of those up to the live build's position.

    Part of the caller's transaction, whose snapshot holds the live rows and their position together. Raises
    ScopeRefused and NoSuchBuild.
    """
    live = builds.find(connection, view.name, "live")
    if view.stream_column is None:
        raise ScopeRefused(f"view {view.name}: its rows come from many streams each; rebuild all of it")
    if live.view.version != view.version or live.code_version != builds.code_version(view):
        raise ScopeRefused(f"view {view.name}: the live build was made by other code; rebuild all of it")
    streams = _streams(connection, view, scope)
    build = builds.create(connection, view, "filling")
    copy = sql.SQL("insert into {} select * from {} where not ({} = any(%s))").format(
        sql.Identifier("views", build.relation),
        sql.Identifier("views", live.relation),
        sql.Identifier(view.stream_column),
    )
    connection.execute(copy, [list(streams)])
    return replays.begin(connection, build, live.position, 1, scope, streams)


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
    found = tuple(row[0] for row in connection.execute(query, {"merchant": scope["merchant"]}))
    if not found:
        raise ScopeRefused(f"--only-merchant: merchant {scope['merchant']} has nothing in view {view.name}")
    return found
