"""Which requests the ledger's machine asks: mostly sensible ones about few wallets, and some of every mistake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tests.properties.ledger_model import Model
from tests.properties.ledger_parts import Asked, Line

Draw = Callable[[st.SearchStrategy[Any]], Any]

EUR = ("bank:main:cash|EUR", "wallet:a|EUR", "wallet:b|EUR", "exp:rounding|EUR")
USD = ("bank:main:cash|USD", "wallet:a|USD")
LATER = ("wallet:c|EUR", "rev:fees|EUR", "wallet:b|USD")
LIMITS = {"bank:main:cash|EUR": None, "bank:main:cash|USD": None, "wallet:b|EUR": 50, "exp:rounding|EUR": 20}
NOBODY = "wallet:nobody|EUR"
NAMES = (*EUR, *USD, *LATER, NOBODY)
AMOUNTS = st.integers(1, 120)
RARELY = st.integers(0, 19).map(lambda number: number == 7)
SOMETIMES = st.integers(0, 3).map(lambda number: number == 3)


def opening(name: str) -> Asked:
    """The request that opens a wallet of the beginning."""
    return {"op": "open", "key": f"first {name}", "wallet": name, "limit": LIMITS.get(name, 0)}


def seeds() -> list[Asked]:
    """Money to begin with."""
    moves = (("EUR", EUR[0], EUR[1], 300), ("EUR", EUR[0], EUR[2], 100), ("USD", USD[0], USD[1], 200),
             ("EUR", EUR[3], EUR[2], 60))  # fmt: skip
    lines = [line for unit, debit, credit, n in moves for line in ((debit, unit, n), (credit, unit, -n))]
    return [{"op": "post", "key": "seed", "lines": lines, **_plain()}]


def _plain() -> Asked:
    return {"effective_at": None, "reference": None, "conditions": [], "dry_run": False, "note": ""}


def _circumstances(draw: Draw, model: Model, *, dry: bool = True) -> Asked:
    """Moment, reference, conditions: mostly none."""
    found = _plain()
    if draw(SOMETIMES):
        found["effective_at"] = model.now + timedelta(hours=draw(st.sampled_from((0, -1, -20, -30, -60, 1))))
    if draw(SOMETIMES):
        found["reference"] = draw(st.sampled_from(("r1", "r2", "r3", "r4")))
    if draw(SOMETIMES):
        name = NOBODY if draw(RARELY) else draw(st.sampled_from(sorted(model.wallets)))
        found["conditions"] = [_condition(draw, model, name)]
    if dry and draw(RARELY):
        found["dry_run"] = True
    return found


def _condition(draw: Draw, model: Model, name: str) -> tuple[str, str, int]:
    """One that is met, or nearly."""
    measure = draw(st.sampled_from(("at_least", "exactly", "version")))
    wallet = model.wallets.get(name)
    if wallet is None:
        return name, measure, 0
    true = {
        "at_least": model.available(name),
        "exactly": wallet["sign"] * wallet["posted"],
        "version": wallet["version"],
    }
    return name, measure, true[measure] + draw(st.sampled_from((0, 0, 0, 1, -1)))


def _lines(draw: Draw) -> list[Line]:
    """A few movements side by side; a wallet may well stand in several lines."""
    lines: list[Line] = []
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
        names, unit = draw(st.sampled_from(((EUR, "EUR"), ((*EUR, LATER[0], LATER[1]), "EUR"), (USD, "USD"))))
        amount = draw(AMOUNTS)
        debit, credit = draw(st.sampled_from(names)), draw(st.sampled_from(names))
        lines += [(debit, unit, amount), (credit, unit, -amount)]
    if draw(RARELY):
        name, unit, amount = lines[0]
        spoilt = ((name, unit, amount + 1), (NOBODY, unit, amount), ("wallet:a|USD", "EUR", amount))
        lines[0] = draw(st.sampled_from(spoilt))
    return lines


def transfer(draw: Draw, model: Model) -> Asked:
    """From one wallet to another."""
    names = (*EUR, *EUR, LATER[0], USD[1], NOBODY) if draw(SOMETIMES) else EUR
    source, destination = draw(st.sampled_from(names)), draw(st.sampled_from(names))
    amount = 0 if draw(RARELY) else draw(AMOUNTS)
    wallets = {"source": source, "destination": destination, "amount": amount, "currency": "EUR"}
    return {"op": "transfer", **wallets, **_circumstances(draw, model)}


def post(draw: Draw, model: Model) -> Asked:
    """Several lines."""
    return {"op": "post", "lines": _lines(draw), **_circumstances(draw, model)}


def hold(draw: Draw, model: Model) -> Asked:
    """Reserve, for a while or until further notice."""
    hours = draw(st.sampled_from((None, 2, 20, 40, 0)))
    expires_at = None if hours is None else model.now + timedelta(hours=hours)
    return {"op": "hold", "lines": _lines(draw), "expires_at": expires_at, **_circumstances(draw, model)}


def _target(draw: Draw, model: Model, wanted: Callable[[str], bool]) -> str:
    """A posting of the wanted sort, now and then any other, or none."""
    if draw(RARELY):
        return "hold/never placed"
    good = [name for name in model.postings if wanted(name)]
    return draw(st.sampled_from(good if good and not draw(RARELY) else list(model.postings)))


def _a_hold(draw: Draw, model: Model) -> str:
    if draw(SOMETIMES):
        return _target(draw, model, lambda name: bool(model.postings[name].hold))
    return _target(draw, model, lambda name: model.postings[name].hold == "open")


def commit(draw: Draw, model: Model) -> Asked:
    """Post all of a hold, an amount of it, or lines of it."""
    name = _a_hold(draw, model)
    found = model.postings.get(name)
    amount, lines = None, None
    how = draw(st.sampled_from(("all", "amount", "amount", "lines")))
    if how == "amount":
        amount = draw(AMOUNTS)
    elif found is not None and found.lines:
        pairs = list(zip(found.lines, found.left, strict=True))
        lines = [(holder, unit, left) for (holder, unit, _), left in pairs if left]
        if len(lines) == 2 and lines[0][2] + lines[1][2] == 0:
            part = draw(AMOUNTS)
            lines = [(holder, unit, part if left > 0 else -part) for holder, unit, left in lines]
        amount = 1 if draw(RARELY) else None
    plain = {"effective_at": None, "dry_run": draw(RARELY), "note": ""}
    if draw(RARELY):
        plain["effective_at"] = model.now - timedelta(hours=30)
    return {"op": "commit", "hold": name, "amount": amount, "lines": lines, "final": draw(st.booleans()), **plain}


def void(draw: Draw, model: Model) -> Asked:
    """Give back."""
    return {"op": "void", "hold": _a_hold(draw, model), "dry_run": draw(RARELY)}


def expire(draw: Draw, model: Model) -> Asked:
    """Whose time has run out, or not."""
    return {"op": "expire", "hold": _a_hold(draw, model)}


def revert(draw: Draw, model: Model) -> Asked:
    """Take back, wholly or in part."""
    name = _target(draw, model, lambda name: bool(model.postings[name].lines) and not model.postings[name].hold)
    plain = {"reference": "r5" if draw(RARELY) else None, "dry_run": draw(RARELY), "note": ""}
    amount = draw(AMOUNTS) if draw(st.booleans()) else None
    return {"op": "revert", "posting": name, "amount": amount, "at_effective_date": draw(SOMETIMES), **plain}


def open_wallet(draw: Draw, model: Model) -> Asked:
    """One of those that are not there from the beginning, or one that is."""
    name = draw(st.sampled_from(LATER if not draw(RARELY) else EUR))
    return {"op": "open", "wallet": name, "limit": draw(st.sampled_from((0, 0, 30, None, -1)))}


def change(draw: Draw, model: Model) -> Asked:
    """Mostly back to normal, so that other requests are not refused for ever."""
    name = NOBODY if draw(RARELY) else draw(st.sampled_from(sorted(model.wallets)))
    wallet = model.wallets.get(name, {})
    what = draw(st.sampled_from(("freeze", "unfreeze", "close", "reopen", "limit", "limit")))
    if (wallet.get("frozen") or wallet.get("closed")) and not draw(SOMETIMES):
        what = "reopen" if wallet["closed"] else "unfreeze"
    limit = draw(st.sampled_from((0, 20, 100, None))) if what == "limit" else None
    return {"op": "change", "wallet": name, "change": what, "limit": limit, "note": ""}


def metadata(draw: Draw, model: Model) -> Asked:
    """A note on a posting or a wallet."""
    target = draw(st.sampled_from(("posting", "wallet")))
    known = [*sorted(model.wallets), NOBODY] if target == "wallet" else [*model.postings, "post/never"]
    return {"op": "metadata", "target": target, "name": draw(st.sampled_from(known)), "note": "n"}


def period(draw: Draw, model: Model) -> Asked:
    """A day, mostly one that is over."""
    return {"op": "period", "through": model.now.date() - timedelta(days=draw(st.sampled_from((0, 1, 2, 3))))}


def watch(draw: Draw, model: Model) -> Asked:
    """A monitor near a wallet's numbers."""
    measure = draw(st.sampled_from(("posted", "held", "available")))
    name = draw(st.sampled_from((*EUR, NOBODY)))
    return {"op": "watch", "wallet": name, "measure": measure, "threshold": draw(st.sampled_from((1, 50, 150, 300)))}


def unwatch(draw: Draw, model: Model) -> Asked:
    """No monitor any more."""
    return {"op": "unwatch", "monitor": draw(st.sampled_from([*model.monitors, "none"]))}


SINGLE = {
    each.__name__: each
    for each in (
        transfer,
        post,
        hold,
        commit,
        void,
        expire,
        revert,
        open_wallet,
        change,
        metadata,
        period,
        watch,
        unwatch,
    )
}
COMMON = st.sampled_from(("transfer", "post", "hold", "commit", "commit", "revert", "void", "expire", "change"))


def altered(asked: Asked, model: Model) -> Asked:
    """Another request, for the same key."""
    if "note" in asked:
        return {**asked, "note": asked["note"] + "!"}
    news = {
        "void": {"hold": f"{asked.get('hold')}!"}, "expire": {"hold": f"{asked.get('hold')}!"},
        "open": {"limit": 77}, "period": {"through": model.now.date() - timedelta(days=77)},
        "watch": {"threshold": 77}, "unwatch": {"monitor": "another"}, "bulk": {"atomic": not asked.get("atomic")},
    }  # fmt: skip
    return {**asked, **news[asked["op"]]}
