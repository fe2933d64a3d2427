"""Others read the files too, and processes that have no use for them do not load what makes them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

from replay.archive.columns import SCHEMA
from tests.replay.archive.conftest import Archived
from tests.replay.archive.logs import Recorded, every_row

ROOT = Path(__file__).resolve().parents[3]


def sums(rows: list[Recorded]) -> list[tuple[int, int, int, int]]:
    """Per book: how many rows there are, and sums that no two different logs have in common by chance."""
    books = sorted({row.book for row in rows})
    return [
        (book, len(own), sum(row.position for row in own), sum(len(row.state) for row in own))
        for book in books
        if (own := [row for row in rows if row.book == book and row.topic != "odd.happened.v1"])
    ]


def test_duckdb_reads_an_archive_by_a_glob(archived: Archived) -> None:
    files = f"{archived.directory}/*/*.parquet"
    with duckdb.connect() as connection:
        query = (
            "select book, count(*), sum(position)::bigint, sum(strlen(state))::bigint from read_parquet($files)"
            " where topic <> 'odd.happened.v1' group by book order by book"
        )
        assert connection.execute(query, {"files": files}).fetchall() == sums(every_row(archived.log))
        columns = connection.execute("describe from read_parquet($files)", {"files": files}).fetchall()
        assert {name: kind for name, kind, *_ in columns} == {
            "position": "BIGINT", "book": "INTEGER", "stream_id": "VARCHAR", "version": "INTEGER", "topic": "VARCHAR",
            "recorded_at": "TIMESTAMP WITH TIME ZONE", "meta": "VARCHAR", "state": "VARCHAR", "state_bytes": "BLOB",
            "day": "DATE",
        }  # fmt: skip
        query = "select count(*) from read_parquet($files) where day <> (recorded_at at time zone 'UTC')::date"
        assert connection.execute(query, {"files": files}).fetchone() == (0,)
        query = "select sum((state->>'n')::bigint) from read_parquet($files) where topic = 'wallet.posted.v1'"
        assert (connection.execute(query, {"files": files}).fetchone() or (0,))[0] > 0


def test_polars_reads_an_archive_by_a_glob(archived: Archived) -> None:
    frame = pl.scan_parquet(f"{archived.directory}/*/*.parquet", hive_partitioning=True)
    plain = frame.filter(pl.col("topic") != "odd.happened.v1").group_by("book")
    counted = plain.agg(
        pl.len().cast(pl.Int64),
        pl.col("position").sum(),
        pl.col("state").str.len_bytes().cast(pl.Int64).sum().alias("bytes"),
    )
    assert counted.sort("book").collect().rows() == sums(every_row(archived.log))
    assert frame.collect_schema().names() == [*SCHEMA.names, "day"]


@pytest.mark.parametrize("module", ["daybook.roles", "daybook.supervisor", "replay.machine", "daybook.commands.export"])
def test_no_process_of_the_program_loads_the_parquet_library(module: str) -> None:
    look = f"import {module}, sys; sys.exit('pyarrow' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", look], env=environment, cwd=ROOT, check=False).returncode == 0
