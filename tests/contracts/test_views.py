"""What every view keeps to, whichever it is: a new file in projections/ is held to this without being named here."""

from __future__ import annotations

import importlib

import pytest

from domain.registry import ALL_EVENTS
from eventlog.connections import connect
from projections.registry import UnknownView, view, views
from projections.view import template

COLUMNS = """
select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a
 where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum
"""
KEY = """
select array_agg(a.attname::text order by k.place) from pg_index i
  cross join unnest(i.indkey) with ordinality k(attnum, place)
  join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
 where i.indrelid = %s::regclass and i.indisprimary
"""


@pytest.mark.parametrize("name", views())
def test_a_view_lives_in_the_file_of_its_name_and_wants_events_that_exist(name: str) -> None:
    found = view(name)
    assert importlib.import_module(f"projections.{name}").VIEW is found
    assert found.version >= 1
    assert found.topics
    assert set(found.topics) <= set(ALL_EVENTS)
    assert set(found.key) <= set(found.columns)


@pytest.mark.parametrize("name", views())
def test_no_view_keeps_money_as_anything_but_whole_minor_units(name: str) -> None:
    amounts = {column: kind for column, kind in view(name).columns.items() if column.endswith("_minor")}
    assert set(amounts.values()) <= {"bigint"}


def test_every_table_has_the_columns_and_the_key_that_its_view_names(database_url: str) -> None:
    with connect(database_url) as connection:
        for name, found in views().items():
            wanted = [
                (column, connection.execute("select %s::regtype::text", [kind]).fetchone())
                for column, kind in found.columns.items()
            ]
            kept = connection.execute(COLUMNS, [f"views.{template(found)}"]).fetchall()
            assert [(column, (kind,)) for column, kind in kept] == wanted
            assert connection.execute(KEY, [f"views.{template(found)}"]).fetchone() == (list(found.key),)
            shown = connection.execute(COLUMNS, [f"views.{name}"]).fetchall()
            assert {column for column, _ in shown} >= set(found.columns)


def test_an_unknown_view_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UnknownView, match="balances"):
        view("nonsense")
