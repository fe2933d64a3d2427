"""An archive is read as the log itself: same rows, same order, whatever is asked of it and in whatever order."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow.parquet import ParquetFile

from eventlog.follower import Follower
from eventlog.memory import MemoryRecorder
from eventlog.postgres import PostgresRecorder
from replay.archive.errors import ArchiveDiffers, NotInArchive
from replay.archive.reader import ArchiveReader, ArchiveThenLog
from replay.archive.writing import ArchiveExport
from tests.replay.archive.conftest import Archived
from tests.replay.archive.logs import ALL, TOPICS, Clock, append, append_odd, every_row

QUESTIONS = st.fixed_dictionaries(
    {
        "after": st.integers(0, 11_200),
        "limit": st.sampled_from([0, 1, 3, 500, 2_000, 30_000]),
        "topics": st.lists(st.sampled_from([*TOPICS, "odd.happened.v1", "never.happened.v1"]), max_size=2),
        "books": st.lists(st.sampled_from([1, 2, 3, 99, 2**31 - 1]), max_size=2),
        "until": st.none() | st.integers(0, 12_000),
    }
)


def ask(reader: Any, question: dict[str, Any]) -> Any:
    rest = dict(question)
    return reader.read(rest.pop("after"), rest.pop("limit"), **rest)


def test_an_archive_gives_back_every_row_as_it_was_and_in_the_order_of_the_log(archived: Archived) -> None:
    days = {path.parent.name for path in archived.directory.glob("day=*/*.parquet")}
    files = archived.reader.manifest.files
    assert len(days) > 10
    assert any(ParquetFile(archived.directory / file.path).num_row_groups > 1 for file in files)
    assert any(one.last > other.first for one, other in itertools.pairwise(files)), "no midnight overlaps"
    assert every_row(archived.reader) == every_row(archived.log)
    assert archived.reader.max_notification_id() == archived.log.max_notification_id()


@settings(max_examples=150, deadline=None)
@given(question=QUESTIONS)
def test_every_question_has_the_log_s_own_answer(archived: Archived, question: dict[str, Any]) -> None:
    assert ask(archived.reader, question) == ask(archived.log, question)


@pytest.mark.parametrize("seed", range(3))
def test_a_follower_sees_the_same_through_any_filter(archived: Archived, seed: int) -> None:
    chance = random.Random(seed)
    topics, limit = chance.sample(TOPICS, 2), chance.choice((70, 450, 3_000))
    seen: list[list[Any]] = []
    for reader in (archived.log, archived.reader):
        follower = Follower(reader, reader.horizon, topics=topics, books=[1, 3], limit=limit)
        seen.append([])
        while follower.position < reader.horizon.last:
            seen[-1] += follower.next_batch(0)
    assert seen[0] == seen[1]
    assert seen[0]


def test_readers_in_several_threads_do_not_disturb_each_other(archived: Archived) -> None:
    whole = every_row(archived.log)
    with ThreadPoolExecutor(4) as pool:
        assert all(found == whole for found in pool.map(every_row, [archived.reader] * 4))


def test_rows_of_postgresql_come_back_equal(database_url: str, tmp_path: Path) -> None:
    with closing(PostgresRecorder(database_url)) as log:
        append(log, 300)
        append_odd(log)
        ArchiveExport(log, tmp_path).run()
        with closing(ArchiveReader(tmp_path)) as archive:
            assert every_row(archive) == every_row(log)
            assert ask(archive, {"after": 0, "limit": 9, "books": [2], "topics": TOPICS[:2]}) == ask(
                log, {"after": 0, "limit": 9, "books": [2], "topics": TOPICS[:2]}
            )


def test_what_an_archive_was_never_given_is_no_empty_answer(tmp_path: Path) -> None:
    log = MemoryRecorder(Clock(1, timedelta(minutes=1)))
    append(log, 100)
    ArchiveExport(log, tmp_path, book=1, after=50).run()
    with closing(ArchiveReader(tmp_path)) as archive:
        assert archive.read(50, ALL, books=[1]) == log.read(50, ALL, books=[1])
        for after, books in ((49, [1]), (50, []), (50, [2]), (50, [1, 2])):
            with pytest.raises(NotInArchive, match="read it together with the log"):
                archive.read(after, ALL, books=books)


@settings(max_examples=100, deadline=None)
@given(question=QUESTIONS)
def test_archive_and_log_together_are_the_log(together: tuple[Any, Any], question: dict[str, Any]) -> None:
    question["after"] //= 4
    question["until"] = question["until"] and question["until"] // 4
    log, both = together
    assert ask(both, question) == ask(log, question)


@pytest.fixture(scope="module", params=["all books", "one book"])
def together(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A log whose middle is archived, for all books or for one."""
    directory = tmp_path_factory.mktemp("middle")
    log = MemoryRecorder(Clock(1, timedelta(minutes=5)))
    append(log, 2_500)
    ArchiveExport(log, directory, after=300, until=1_700, book=1 if request.param == "one book" else None).run()
    with closing(ArchiveReader(directory)) as archive:
        yield log, ArchiveThenLog(archive, log)


def test_an_archive_does_not_go_with_another_log(archived: Archived) -> None:
    other = MemoryRecorder(Clock(2, timedelta(seconds=20)))
    append(other, 200, seed=77)
    with pytest.raises(ArchiveDiffers, match="another log"):
        ArchiveThenLog(archived.reader, other)
