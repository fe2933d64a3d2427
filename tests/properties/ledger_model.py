"""The ledger as a few dicts: what every request must answer and leave behind, worked out without the ledger's own code.

A request is a dict with `op` and `key`; wallets are named `address|currency`, postings `op/key`. For a request that is
refused the model knows every rule that speaks against it: the ledger has to name one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime

from tests.properties.ledger_parts import DONE, FAILED, Answer, Asked, Line, Posting, mistake, part_of, take


class Model:
    """One book."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.wallets: dict[str, Asked] = {}
        self.postings: dict[str, Posting] = {}
        self.decided: dict[str, tuple[Asked, Answer]] = {}
        self.references: set[str] = set()
        self.closed_through: date | None = None
        self.monitors: dict[str, Asked] = {}

    def ask(self, asked: Asked) -> Answer:
        """Decide a request, or answer it as before; what makes no sense is an error and uses no key up."""
        wrong = mistake(asked)
        if wrong:
            return Answer("error", frozenset([wrong]))
        name = f"{asked['op']}/{asked['key']}"
        if name in self.decided:
            first, answer = self.decided[name]
            return replace(answer, replayed=True) if first == asked else Answer("error", frozenset(["key_reused"]))
        if asked.get("dry_run"):
            return deepcopy(self)._carry_out(asked, name)
        answer = self._carry_out(asked, name)
        self.decided[name] = (asked, answer)
        return answer

    def available(self, name: str) -> int:
        """What a wallet may spend, its overdraft apart."""
        wallet = self.wallets[name]
        return wallet["sign"] * wallet["posted"] - wallet["held"]

    def open_holds(self) -> Counter[str]:
        """What all open holds together reserve, by wallet."""
        sums: Counter[str] = Counter()
        for posting in self.postings.values():
            if posting.hold == "open":
                for (name, _, _), amount in zip(posting.lines, posting.left, strict=True):
                    sums[name] += self._reserved(name, amount)
        return sums

    def _carry_out(self, asked: Asked, name: str) -> Answer:
        before = {wallet: (w["posted"], w["held"], w["version"]) for wallet, w in self.wallets.items()}
        begun = Posting()
        done = getattr(self, f"_{asked['op']}")(asked, begun)
        if isinstance(done, set):
            self.postings[name] = Posting(refused=True)
            return Answer("refused", frozenset(done))
        self.postings[name] = begun
        if asked.get("reference") is not None:
            self.references.add(asked["reference"])
        if asked["op"] == "bulk":
            return Answer("applied", items=tuple(done))
        touched = {n: w for n, w in self.wallets.items() if before.get(n) != (w["posted"], w["held"], w["version"])}
        after = {wallet: (w["posted"], w["held"]) for wallet, w in touched.items()}
        moved = {wallet: w["posted"] - before[wallet][0] for wallet, w in touched.items() if wallet in before}
        for monitor in self.monitors.values():
            self._look(monitor)
        return Answer(DONE[asked["op"]], after=after, moved=moved)

    # movements

    def _transfer(self, asked: Asked, begun: Posting) -> set[str] | None:
        if asked["source"] == asked["destination"]:
            return {"same_wallet", "unknown_wallet"} if asked["source"] not in self.wallets else {"same_wallet"}
        amount, currency = asked["amount"], asked["currency"]
        lines = [(asked["source"], currency, amount), (asked["destination"], currency, -amount)]
        return self._post({**asked, "lines": lines}, begun)

    def _post(self, asked: Asked, begun: Posting) -> set[str] | None:
        lines = asked["lines"]
        why = self._against(asked, lines) | self._short(lines)
        if why:
            return why
        begun.lines, begun.left, begun.effective_at = list(lines), [n for *_, n in lines], self._moment(asked)
        self._move(lines)
        return None

    def _hold(self, asked: Asked, begun: Posting) -> set[str] | None:
        lines = asked["lines"]
        why, wanted = self._against(asked, lines), Counter[str]()
        for name, _, amount in lines:
            if name in self.wallets:
                wanted[name] += self._reserved(name, amount)
        for name, amount in wanted.items():
            why |= self._too_little(name, amount)
        if asked["expires_at"] is not None and asked["expires_at"] <= self.now:
            why.add("hold_expiry_in_past")
        if why:
            return why
        begun.lines, begun.left, begun.effective_at = list(lines), [n for *_, n in lines], self._moment(asked)
        begun.hold, begun.expires_at = "open", asked["expires_at"]
        self._reserve(lines, 1)
        return None

    def _commit(self, asked: Asked, begun: Posting) -> set[str] | None:
        hold = self.postings.get(asked["hold"])
        lines, amount = asked["lines"], asked["amount"]
        why = {"unknown_wallet"} if any(name not in self.wallets for name, *_ in lines or ()) else set()
        why |= self._no_open_hold(hold)
        if why or hold is None:
            return why
        if lines is not None and amount is not None:
            return {"amount_or_lines"}
        parts = lines if lines is not None else part_of(hold, amount, "commit_exceeds_hold")
        if isinstance(parts, str):
            return {parts}
        rest = take(hold, parts)
        if rest is None:
            return {"commit_exceeds_hold"}
        why = self._standing(parts) | self._bad_moment(self._moment(asked))
        if why:
            return why
        begun.lines, begun.left, begun.effective_at = parts, [n for *_, n in parts], self._moment(asked)
        for name, _, part in parts:
            self.wallets[name]["held"] -= self._reserved(name, part)
        self._move(parts)
        hold.left = rest
        if asked["final"] or not any(rest):
            self._release(hold)
        return None

    def _void(self, asked: Asked, begun: Posting) -> set[str] | None:
        hold = self.postings.get(asked["hold"])
        why = self._no_open_hold(hold)
        if why or hold is None:
            return why
        self._release(hold)
        return None

    def _expire(self, asked: Asked, begun: Posting) -> set[str] | None:
        hold = self.postings.get(asked["hold"])
        if hold is not None and hold.hold == "open" and (hold.expires_at is None or self.now < hold.expires_at):
            return {"hold_not_expired"}
        return self._void(asked, begun)

    def _revert(self, asked: Asked, begun: Posting) -> set[str] | None:
        first = self.postings.get(asked["posting"])
        if first is None:
            return {"unknown_posting"}
        if first.hold or first.refused or not first.lines:
            return {"nothing_to_revert"}
        if not any(first.left):
            return {"already_reverted"}
        parts = part_of(first, asked["amount"], "reversal_exceeds_posting")
        if isinstance(parts, str):
            return {parts}
        back = [(name, currency, -amount) for name, currency, amount in parts]
        moment = first.effective_at if asked["at_effective_date"] else self.now
        why = self._short(back) | self._bad_moment(moment) | self._claimed(asked)
        if why:
            return why
        first.left = take(first, parts) or []
        begun.lines, begun.left, begun.effective_at = back, [n for *_, n in back], moment
        self._move(back)
        return None

    # everything else

    def _open(self, asked: Asked, begun: Posting) -> set[str] | None:
        name, limit = asked["wallet"], asked["limit"]
        if name in self.wallets:
            return {"wallet_exists"}
        sign = 1 if name.startswith(("bank:", "exp:")) else -1
        fresh = {"sign": sign, "limit": limit, "posted": 0, "held": 0, "frozen": False, "closed": False, "version": 1}
        self.wallets[name] = fresh
        return None

    def _change(self, asked: Asked, begun: Posting) -> set[str] | None:
        wallet, change = self.wallets.get(asked["wallet"]), asked["change"]
        if wallet is None:
            return {"unknown_wallet"}
        why = {
            "wallet_closed": change != "reopen" and wallet["closed"],
            "wallet_not_closed": change == "reopen" and not wallet["closed"],
            "wallet_frozen": change == "freeze" and wallet["frozen"],
            "wallet_not_frozen": change == "unfreeze" and not wallet["frozen"],
            "wallet_not_empty": change == "close" and (wallet["posted"] or wallet["held"]),
        }
        if any(why.values()):
            return {code for code, applies in why.items() if applies}
        news = {"freeze": ("frozen", True), "unfreeze": ("frozen", False), "close": ("closed", True),
                "reopen": ("closed", False), "limit": ("limit", asked["limit"])}  # fmt: skip
        what, value = news[change]
        wallet[what] = value
        wallet["version"] += 1
        return None

    def _metadata(self, asked: Asked, begun: Posting) -> set[str] | None:
        if asked["target"] == "posting":
            return None if asked["name"] in self.postings else {"unknown_posting"}
        if asked["name"] not in self.wallets:
            return {"unknown_wallet"}
        self.wallets[asked["name"]]["version"] += 1
        return None

    def _period(self, asked: Asked, begun: Posting) -> set[str] | None:
        why = set()
        if self.closed_through is not None and asked["through"] <= self.closed_through:
            why.add("period_already_closed")
        if asked["through"] >= self.now.date():
            why.add("period_not_over")
        if not why:
            self.closed_through = asked["through"]
        return why or None

    def _watch(self, asked: Asked, begun: Posting) -> set[str] | None:
        if asked["wallet"] not in self.wallets:
            return {"unknown_wallet"}
        monitor = {**asked, "removed": False, "crossings": 0, "side": None}
        self.monitors[asked["key"]] = monitor
        self._look(monitor)
        return None

    def _unwatch(self, asked: Asked, begun: Posting) -> set[str] | None:
        monitor = self.monitors.get(asked["monitor"])
        if monitor is None or monitor["removed"]:
            return {"unknown_monitor" if monitor is None else "monitor_removed"}
        monitor["removed"] = True
        return None

    def _bulk(self, asked: Asked, begun: Posting) -> set[str] | list[Answer]:
        if not asked["atomic"]:
            return [self.ask(item) for item in asked["items"]]
        trial, answers = deepcopy(self), []
        for item in asked["items"]:
            answers.append(trial.ask(item))
            if answers[-1].status in FAILED:
                return set(answers[-1].reasons)
        self.__dict__.update(trial.__dict__)
        return answers

    # what they share

    def _move(self, lines: Sequence[Line]) -> None:
        for name, _, amount in lines:
            self.wallets[name]["posted"] += amount
            self.wallets[name]["version"] += 1

    def _reserved(self, name: str, amount: int) -> int:
        return max(0, -self.wallets[name]["sign"] * amount)

    def _reserve(self, lines: Sequence[Line], sign: int) -> None:
        for name, _, amount in lines:
            part = self._reserved(name, amount)
            self.wallets[name]["held"] += sign * part
            self.wallets[name]["version"] += bool(part)

    def _release(self, hold: Posting) -> None:
        rest = [(n, c, left) for (n, c, _), left in zip(hold.lines, hold.left, strict=True)]
        self._reserve(rest, -1)
        hold.hold, hold.left = "ended", [0] * len(hold.left)

    def _look(self, monitor: Asked) -> None:
        if monitor["removed"]:
            return
        wallet = self.wallets[monitor["wallet"]]
        natural = wallet["sign"] * wallet["posted"]
        numbers = {"posted": natural, "held": wallet["held"], "available": natural - wallet["held"]}
        side = numbers[monitor["measure"]] >= monitor["threshold"]
        monitor["crossings"] += monitor["side"] not in (None, side)
        monitor["side"] = side

    def _moment(self, asked: Asked) -> datetime:
        moment: datetime = asked["effective_at"] or self.now
        return moment

    def _bad_moment(self, moment: datetime | None) -> set[str]:
        if moment is None or moment > self.now:
            return {"effective_in_future"}
        late = self.closed_through is not None and moment.astimezone(UTC).date() <= self.closed_through
        return {"period_closed"} if late and moment < self.now else set()

    def _claimed(self, asked: Asked) -> set[str]:
        return {"reference_taken"} if asked["reference"] in self.references else set()

    def _standing(self, lines: Sequence[Line]) -> set[str]:
        known = [self.wallets[name] for name, *_ in lines if name in self.wallets]
        return {f"wallet_{state}" for wallet in known for state in ("frozen", "closed") if wallet[state]}

    def _too_little(self, name: str, wanted: int) -> set[str]:
        limit = self.wallets[name]["limit"]
        short = wanted > 0 and limit is not None and self.available(name) - wanted < -limit
        return {"insufficient_funds"} if short else set()

    def _short(self, lines: Sequence[Line]) -> set[str]:
        why, net = self._standing(lines), Counter[str]()
        for name, _, amount in lines:
            net[name] += amount
        for name, amount in net.items():
            if name in self.wallets:
                why |= self._too_little(name, -amount * self.wallets[name]["sign"])
        return why

    def _against(self, asked: Asked, lines: Sequence[Line]) -> set[str]:
        """What speaks against a posting or a hold, its amounts apart."""
        why = self._standing(lines) | self._bad_moment(self._moment(asked)) | self._claimed(asked)
        for name, currency, _ in lines:
            if name not in self.wallets:
                why.add("unknown_wallet")
            elif not name.endswith(f"|{currency}"):
                why.add("currency_mismatch")
        for name, measure, number in asked["conditions"]:
            if name not in self.wallets:
                why.add("unknown_wallet")
                continue
            wallet = self.wallets[name]
            met = {
                "at_least": self.available(name) >= number,
                "exactly": wallet["sign"] * wallet["posted"] == number,
                "version": wallet["version"] == number,
            }
            if not met[measure]:
                why.add("condition_not_met")
        return why

    def _no_open_hold(self, hold: Posting | None) -> set[str]:
        if hold is None:
            return {"unknown_posting"}
        if not hold.hold:
            return {"not_a_hold"}
        return set() if hold.hold == "open" else {"hold_not_pending"}
