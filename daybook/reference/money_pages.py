"""accounts.md and posting-rules.md: the chart, and what each fact means in it, worked out by the rules themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from daybook.reference.examples import Example, examples, worked_example
from daybook.reference.markdown import code, docstring, page, table
from domain.chart import CHART, DEBIT_KINDS, account_kind
from domain.money import Money
from domain.posting_rules import DraftLine, PostingDraft, posting_for

BOOK = 1


def accounts_page() -> str:
    """The chart of accounts."""
    introduction = (
        "An address says what an account is for, and which kind it is. `*` stands for one segment of an address, a "
        "final `**` for one or more. A wallet is one address in one currency. What is in no row of this table cannot "
        "be opened and cannot be posted to.\n\n"
        "*Grows by* is the side that raises the balance that people expect to see (the natural balance)."
    )
    rows = [
        (code(row.pattern), row.kind, "debit" if row.kind in DEBIT_KINDS else "credit", row.meaning) for row in CHART
    ]
    return page("Chart of accounts", introduction, table(("address", "kind", "grows by", "meaning"), rows))


def posting_rules_page() -> str:
    """Every rule with an example, and where the money of one order goes."""
    introduction = (
        "A posting rule turns a fact into a balanced posting. The amounts below are what the rules give for the facts "
        "that are named; nothing here is written by hand. One fact is posted once: its posting is named after the "
        "fact."
    )
    parts = ["## One order, from the hold to the bank", _story()]
    parts.append("## Each rule")
    for example in examples():
        parts += [f"### {example.name}", *docstring(type(example.fact)), f"Example: {example.says}."]
        draft = posting_for(example.fact, BOOK)
        if draft is None:
            parts.append("This example posts nothing.")
        else:
            parts += [f"Rule `{draft.rule}`, reference `{_pattern(draft)}`.", _lines(draft.lines)]
    return page("Posting rules", introduction, *parts)


def _story() -> str:
    """The postings of one order one after the other, and the sums of all of them."""
    steps = [(example, draft) for example in worked_example() if (draft := posting_for(example.fact, BOOK))]
    rows = [
        (f"{number}. {example.says}" if first else "", code(line.address), *_sides(line))
        for number, (example, draft) in enumerate(steps, 1)
        for first, line in ((index == 0, line) for index, line in enumerate(draft.lines))
    ]
    journal = table(("step", "account", "debit", "credit"), rows, right=("debit", "credit"))
    return f"{journal}\n\nAfter these steps the accounts stand at:\n\n{_balances(steps)}"


def _balances(steps: Sequence[tuple[Example, PostingDraft]]) -> str:
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for _, draft in steps:
        for line in draft.lines:
            sums[line.address, line.currency] += line.amount_minor
    rows = [
        (code(address), account_kind(address), *_sides(DraftLine(address, currency, amount, account_kind(address))))
        for (address, currency), amount in sorted(sums.items())
    ]
    total = sum(sums.values())
    return f"{table(('account', 'kind', 'debit', 'credit'), rows, right=('debit', 'credit'))}\n\nTogether: {total}."


def _lines(lines: Sequence[DraftLine]) -> str:
    rows = [(code(line.address), line.account_kind, *_sides(line)) for line in lines]
    return table(("account", "kind", "debit", "credit"), rows, right=("debit", "credit"))


def _sides(line: DraftLine) -> tuple[str, str]:
    amount = str(Money(abs(line.amount_minor), line.currency))
    if line.amount_minor == 0:
        return "", ""
    return (amount, "") if line.amount_minor > 0 else ("", amount)


def _pattern(draft: PostingDraft) -> str:
    """The reference with the parts that differ from fact to fact left open."""
    kind, *rest = draft.reference.split("/")
    return "/".join([kind, *("..." for _ in rest)])
