"""What was answered survives a kill, whatever was going on; books of the first simulator can be read on."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from rails.simulator.books import Books
from rails.simulator.once import Effect
from rails.simulator.process import running_simulator
from rails.simulator.psp.requests import Authorisation, Capture
from rails.simulator.server import Simulator
from rails.simulator.store import VERSION, BooksOfAnotherVersion, GroupLost, Store
from tests.rails.simulator.desk import PAYMENT, Desk

FIRST_BOOKS = Path(__file__).with_name("first_books.sql")
ENOUGH = 120


def test_no_answer_is_lost_when_the_process_is_killed_in_the_middle_of_it_all(tmp_path: Path) -> None:
    database = tmp_path / "books.sqlite3"
    answered: dict[str, bytes] = {}
    enough = threading.Event()

    def customer(url: str, number: int) -> None:
        with httpx.Client(base_url=url, trust_env=False) as http:
            for count in range(10_000):
                key = f"customer-{number}-{count}"
                try:
                    answered[key] = Desk(http).pay(key, order_id=key).content
                except httpx.HTTPError:
                    return
                if len(answered) >= ENOUGH:
                    enough.set()

    with running_simulator(database) as simulator, ThreadPoolExecutor(8) as pool:
        ended = [pool.submit(customer, simulator.url, number) for number in range(8)]
        enough.wait(60)
        simulator.process.kill()
        for one in ended:
            one.result()
    assert len(answered) >= ENOUGH
    with running_simulator(database) as simulator, httpx.Client(base_url=simulator.url, trust_env=False) as http:
        desk = Desk(http)
        again = {key: desk.pay(key, order_id=key) for key in answered}
        assert {key: response.content for key, response in again.items()} == answered
        assert {response.headers["Idempotent-Replayed"] for response in again.values()} == {"true"}
        assert desk.captured() >= 10_000 * len(answered), "what was done and not answered may be there, too"


def fail_within(store: Store) -> None:
    with store.operation():
        store.keep_setting("lost", 1)
        _ = 1 / 0


def lose_within(store: Store) -> None:
    with store.operation() as connection:
        store.keep_setting("lost", 1)
        connection.execute("rollback")  # as SQLite does by itself when the disk is full
        connection.execute("insert into nowhere values (1)")


def test_one_operation_that_fails_takes_nothing_else_of_its_group_with_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "books.sqlite3")
    store.deferred = True
    with store.operation():
        store.keep_setting("kept", 1)
    with pytest.raises(ZeroDivisionError):
        fail_within(store)
    with store.operation():
        store.keep_setting("kept, too", 2)
    store.commit()
    assert [store.setting(name) for name in ("kept", "lost", "kept, too")] == [1, None, 2]
    store.close()


def test_a_group_that_sqlite_gives_up_is_not_taken_for_written(tmp_path: Path) -> None:
    store = Store(tmp_path / "books.sqlite3")
    store.deferred = True
    with pytest.raises(sqlite3.Error):
        lose_within(store)
    with pytest.raises(GroupLost):
        store.commit()
    with store.operation():
        store.keep_setting("kept", 1)
    store.commit()
    assert (store.setting("lost"), store.setting("kept")) == (None, 1)
    store.close()


def test_requests_that_could_not_be_written_down_are_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    books = Books(tmp_path / "books.sqlite3")
    server = Simulator("127.0.0.1", 0, books)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    commit = books.store.commit
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        desk = Desk(http)
        monkeypatch.setattr(books.store, "commit", lambda: commit_lost(books))
        failed = desk.pay("lost")
        monkeypatch.setattr(books.store, "commit", commit)
        assert (failed.status_code, failed.json()["code"]) == (500, "server_error")
        assert http.get("/v1/authorisations/by-key/lost").status_code == 404
    server.shutdown()
    thread.join()
    server.server_close()
    books.close()


def commit_lost(books: Books) -> None:
    store = books.store
    store._connection.execute("rollback")
    store._open = False
    raise GroupLost("the disk is full")


def test_a_stop_before_the_start_is_a_stop(tmp_path: Path) -> None:
    books = Books(tmp_path / "books.sqlite3")
    server = Simulator("127.0.0.1", 0, books)
    server.shutdown()
    server.serve_forever()
    server.server_close()
    books.close()


def test_books_of_the_first_simulator_are_taken_over(tmp_path: Path) -> None:
    database = tmp_path / "books.sqlite3"
    with sqlite3.connect(database) as connection:
        connection.executescript(FIRST_BOOKS.read_text(encoding="utf-8"))
    connection.close()
    books = Books(database)
    paid = books.payments.authorisation("attempt_key", "paid")
    assert (paid["status"], paid["captured_minor"], paid["method"]) == ("captured", 2_500, "card")
    replayed = books.payments.authorise("paid", Authorisation("order-1", 1, 2_500, "EUR", "tok_visa", capture=True))
    assert (replayed.status, replayed.body, replayed.replayed) == (201, '{"as": "it was"}', True)
    held = books.payments.authorisation("attempt_key", "held")
    assert (held["status"], held["captured_minor"]) == ("authorised", 300)
    assert books.payments.capture("more", held["id"], Capture(100, "EUR", final=False)).status == 201
    moved = books.store.rows("select capture_key, gross_minor, fee_minor from movements order by number")
    assert [tuple(row.values()) for row in moved] == [("paid", 2_500, 60), ("part", 300, 29), ("more", 100, 26)]
    books.close()
    Books(database).close()


def test_books_of_a_later_simulator_are_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "books.sqlite3"
    Books(database).close()
    with sqlite3.connect(database) as connection:
        connection.execute(f"pragma user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(BooksOfAnotherVersion, match=f"version {VERSION + 1}"):
        Books(database)


def test_a_fault_of_our_own_is_a_server_error_and_undoes_what_it_had_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = Books(tmp_path / "books.sqlite3")

    def broken(row: dict[str, Any], decline: object, *, twisted: bool) -> Effect:
        books.store.keep_setting("half", 1)
        raise RuntimeError("a mistake of the simulator's")

    monkeypatch.setattr(books.payments, "_book", broken)
    request = Authorisation(**{name: value for name, value in PAYMENT.items() if name != "return_url"})
    with pytest.raises(RuntimeError):
        books.payments.authorise("broken", request)
    assert books.store.setting("half") is None
    assert books.store.rows("select * from replies") == []
    books.close()
