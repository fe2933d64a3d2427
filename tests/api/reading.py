"""A shop whose views are real, now and then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from api.app import create_app
from projections.queries import Queries
from projections.registry import views
from replay.machine import ViewMachine
from replay.past import PastViews
from tests.api.ledger import lines, ok, send
from tests.api.support import Shop


@dataclass
class Reading:
    """A shop whose views are real, and the machine that fills them when a test says so."""

    shop: Shop
    machine: ViewMachine

    def get(self, path: str, role: str = "admin", **headers: str) -> Any:
        return self.shop.client().get(f"/v1{path}", headers=self.shop.headers(role, **headers))

    def post(self, debited: str, credited: str, amount: int, **more: Any) -> dict[str, Any]:
        return ok(send(self.shop, "POST", "/v1/postings", {"lines": lines(debited, credited, amount), **more}))


@contextmanager
def reading_shop(shop: Shop, **past: Any) -> Iterator[Reading]:
    """The shop with views of its database; `past` as for PastViews."""
    recorder: Any = shop.log.log_recorder
    url, decode = recorder.database_url, shop.log.log_mapper.decode
    machine = ViewMachine(url, recorder, recorder.horizon, decode, list(views().values()))
    with closing(machine), closing(PastViews(url, recorder, decode, **past)) as then:
        services = replace(shop.services, queries=Queries(recorder.readers.read, then))
        yield Reading(replace(shop, app=create_app(services), services=services), machine)
