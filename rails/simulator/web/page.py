"""The page on which a person plays the customer at the bank's prompt. It works without any script."""

from __future__ import annotations

from html import escape
from typing import Any, Final
from urllib.parse import urlsplit

from rails.simulator.currencies import decimal_text
from rails.simulator.psp.challenges import way_back

TITLE: Final = "Confirm your payment"
STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:4rem auto;padding:0 1rem;color:#1b1f24}"
    "dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem}dt{color:#57606a}dd{margin:0}"
    "form{display:inline}button{font:inherit;padding:.5rem 1.5rem;margin:1rem .5rem 0 0;border:1px solid #1b1f24;"
    "border-radius:.4rem;background:#fff;cursor:pointer}.main{background:#1b1f24;color:#fff}"
)
SAID: Final = {
    "approved": "You have approved this payment.",
    "declined": "You have declined this payment.",
    "cancelled": "The shop has given this payment up.",
    "expired": "The time to confirm this payment is over.",
}


def challenge_page(row: dict[str, Any]) -> str:
    """The page of a challenge as it stands: with two buttons while it is open, with the way back afterwards."""
    amount = f"{decimal_text(row['amount_minor'], row['currency'])} {row['currency']}"
    if row["status"] == "requires_action":
        end = row["action_expires_at"]
        buttons = _button(row["id"], "approve", "Approve", "main") + _button(row["id"], "decline", "Decline", "other")
        rest = f'<p>Please decide by <time datetime="{end}">{end[:19]} UTC</time>.</p>{buttons}'
    else:
        back = way_back(row)
        link = f'<p><a href="{escape(back)}">Back to the shop</a></p>' if back else "<p>You can close this page.</p>"
        rest = f"<p>{SAID[row['authentication']]}</p>{link}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{TITLE}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body><main><h1>{TITLE}</h1>'
        f"<dl><dt>Order</dt><dd>{escape(row['order_id'])}</dd><dt>Amount</dt><dd>{amount}</dd>"
        f"<dt>Card</dt><dd>{escape(row['method'])}</dd></dl>{rest}"
        f"<p><small>The simulated bank of a simulated customer: no money moves.</small></p></main></body></html>"
    )


def protection(row: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Headers: nothing is loaded, nobody frames the page, and its buttons lead here and back to the shop only."""
    shop = ""
    if row["return_url"]:
        url = urlsplit(row["return_url"])
        shop = f" {url.scheme}://{url.netloc}"
    policy = f"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'{shop}; frame-ancestors 'none'"
    return (("Content-Security-Policy", policy), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"))


def _button(challenge_id: str, decision: str, label: str, kind: str) -> str:
    action = f"/3ds/{escape(challenge_id)}/{decision}"
    return f'<form method="post" action="{action}"><button class="{kind}" type="submit">{label}</button></form>'
