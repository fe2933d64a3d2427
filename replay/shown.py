"""What readers see under a view's name: a plain SQL view over the table of one build."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from projections.view import View
from replay import builds
from replay.builds import Build

COLUMNS = """
select attname, atttypid from pg_attribute
 where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped order by attnum
"""
MADE_OF_IT = """
select distinct made.oid::regclass::text
  from pg_depend d join pg_rewrite r on r.oid = d.objid join pg_class made on made.oid = r.ev_class
 where d.classid = 'pg_rewrite'::regclass and d.refobjid = to_regclass(%s) and made.oid <> d.refobjid order by 1
"""
GRANTS = """
select format('grant %%s on %%s to %%s%%s', privilege_type, c.oid::regclass,
              case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end,
              case when is_grantable then ' with grant option' else '' end)
  from pg_class c, aclexplode(c.relacl) where c.oid = to_regclass(%s) and grantee <> c.relowner
"""


class MadeOfTheView(RuntimeError):
    """Somebody's own relation is made of a view whose columns change: the message names it and says what to do."""


def show(connection: psycopg.Connection[Any], build: Build) -> None:
    """Lets readers see this build; part of the caller's transaction. Where its columns are others the SQL view is made
    anew, with the grants that it had. Raises MadeOfTheView then, both ways: one that could be gone along with would
    block the way back."""
    name = f"views.{build.view.name}"
    before = connection.execute(COLUMNS, [name]).fetchall()
    try:
        with connection.transaction():
            connection.execute(builds.shown_as(build.view, build.relation))
    except psycopg.errors.InvalidTableDefinition:
        _check_nothing_is_made_of(connection, build.view)
        grants = connection.execute(GRANTS, [name]).fetchall()
        connection.execute(sql.SQL("drop view {}").format(sql.Identifier("views", build.view.name)))
        connection.execute(builds.shown_as(build.view, build.relation))
        for (grant,) in grants:
            connection.execute(grant)
    else:
        if connection.execute(COLUMNS, [name]).fetchall() != before:
            _check_nothing_is_made_of(connection, build.view)


def _check_nothing_is_made_of(connection: psycopg.Connection[Any], view: View) -> None:
    made = [name for (name,) in connection.execute(MADE_OF_IT, [f"views.{view.name}"])]
    if made:
        raise MadeOfTheView(
            f"{', '.join(made)} is made of view {view.name}, whose columns change: drop it, swap, and make it again"
        )
