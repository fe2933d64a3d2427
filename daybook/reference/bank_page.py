"""bank-rail.md: what the bank rail makes of a bank's words, which files it reads and writes, and what it is told."""

from __future__ import annotations

from typing import Final

from daybook.reference.markdown import code, codes, page, table
from rails.formats import camt, credit_transfer, direct_debit, pain002
from rails.formats.target_days import CUT_OFF
from rails.sepa_rail import REFUSED, TAKEN, TRANSFER_TIME
from rails.sepa_reasons import DUPLICATES, REASON_CODES

_ANSWERS: Final = (
    ("transfer", "asked for", "`ActionRequired`: beneficiary, account, amount and reference to show"),
    ("transfer", "no booking carries its reference", "`ActionRequired`; by the key alone `NotFound`"),
    ("transfer", "bookings carry its reference", "`Captured`, with their sum"),
    ("direct debit", "the debtor's account, name or mandate is missing or cannot be", "`Declined`, hard; nothing left"),
    ("direct debit", "no connection to the bank", "`NotSent`"),
    ("direct debit", f"pain.002 says {codes(sorted(TAKEN))}", "`Pending` until the collection date is over"),
    ("direct debit", f"pain.002 says {codes(sorted(REFUSED))}", "`Declined`, by the reason's code"),
    ("direct debit", f"pain.002 rejects as a duplicate: {codes(sorted(DUPLICATES))}", "`Unknown`: ask"),
    ("direct debit", "no report, another status, or a report on another file", "`Unknown`: ask"),
    ("direct debit", "the bank knows nothing of it", "`NotFound`"),
    ("direct debit", "it is booked, also when it went back since", "`Captured`"),
)


def bank_page() -> str:
    """States, files and reason codes of the bank rail, from the tables that it goes by."""
    introduction = (
        "How the rail `sepa` reads a bank. What is behind it: [the bank rail](../explanation/bank-rail.md); what it "
        "declares: [rails](rails.md)."
    )
    oldest, newest = f"{camt.OLDEST_VERSION:02}", f"{camt.NEWEST_VERSION:02}"
    files = [
        (code(f"{direct_debit.SCHEMA}"), "written", "a direct debit; held to its schema before it is sent"),
        (code(f"{credit_transfer.SCHEMA}"), "written", "transfers out; held to its schema before it is sent"),
        (code("pain.002"), "read", f"status report, any version; statuses {codes(sorted(pain002.STATUSES))}"),
        *(
            (code(f"camt.{number}"), "read", f"{meaning}, versions {oldest} to {newest}")
            for number, meaning in (("052", "account report"), ("053", "statement"), ("054", "notification"))
        ),
    ]
    facts = [
        (code("BookedIn"), "money came in: an end-to-end id of ours, or one reference of ours in what the payer wrote"),
        (code("Returned"), "money of a debit of ours went back, with the reason's code"),
        (code("Unmatched"), "everything else that was booked, with all that the bank said"),
    ]
    reasons = [(code(name), told.meaning, told.decline_class) for name, told in REASON_CODES.items()]
    days = (
        f"A file made before {CUT_OFF:%H:%M} UTC is handled by the bank on the same TARGET day, one made later on the "
        f"next; the debit is collected one TARGET day after that. A payer has {TRANSFER_TIME.days} days for a transfer."
    )
    return page(
        "Bank rail",
        introduction,
        "## Answers",
        table(("way to pay", "what is there", "answer"), _ANSWERS),
        "## Days",
        days,
        "## Files",
        table(("message", "", "what it is"), files),
        "## Facts from bookings",
        table(("fact", "when"), facts),
        "## Reason codes",
        "A code that is not here is soft.",
        table(("code", "meaning", "decline"), reasons),
    )
