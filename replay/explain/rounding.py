"""How a capture is divided over sellers and what is kept of it, in words and numbers: the two roundings there are."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.money import BPS_WHOLE, share_half_even
from domain.splitting import Share, Split, divide


class ShareTold(msgspec.Struct, frozen=True):
    """One seller's part of a capture, in minor units, with the arithmetic in words."""

    seller_id: str
    due_minor: int
    gross_minor: int
    commission_minor: int
    net_minor: int
    gross_words: str
    commission_words: str


def shares_told(
    captured_minor: int, due: Sequence[Split], commission_bps: int, shares: Sequence[Share]
) -> list[ShareTold]:
    """The shares as they were recorded; where they are not what the rule gives, the words say so."""
    dues = {split.seller_id: split.amount_minor for split in due}
    whole = sum(dues.values())
    expected = {share.seller_id: share for share in divide(captured_minor, due, commission_bps)} if whole else {}
    told = []
    for share in shares:
        wanted = expected.get(share.seller_id)
        due_minor = dues.get(share.seller_id, 0)
        gross = _gross_words(captured_minor, due_minor, whole, share.gross_minor)
        if wanted is None or wanted.gross_minor != share.gross_minor:
            gross += f"; the rule gives {0 if wanted is None else wanted.gross_minor:,}"
        told.append(
            ShareTold(
                share.seller_id,
                due_minor,
                share.gross_minor,
                share.commission_minor,
                share.net_minor,
                gross,
                _commission_words(share, commission_bps),
            )
        )
    return told


def _gross_words(captured: int, due: int, whole: int, gross: int) -> str:
    if due == whole == captured == gross:
        return f"all of {captured:,}"
    asked = f"{captured:,} x {due:,} / {whole:,}"
    floor, remainder = divmod(captured * due, whole) if whole else (0, 0)
    if remainder == 0:
        return f"{asked} = {floor:,}"
    exact = f"{asked} = {floor:,} and {remainder:,}/{whole:,}"
    if gross == floor + 1:
        return f"{exact}, up: a unit left over goes to the largest remainder"
    return f"{exact}, down"


def _commission_words(share: Share, commission_bps: int) -> str:
    asked = f"{share.gross_minor:,} x {commission_bps:,} / {BPS_WHOLE:,}"
    floor, remainder = divmod(share.gross_minor * commission_bps, BPS_WHOLE)
    wanted = share_half_even(share.gross_minor, commission_bps)
    if remainder == 0:
        words = f"{asked} = {floor:,}"
    else:
        half = "half to even" if remainder * 2 == BPS_WHOLE else "up" if wanted > floor else "down"
        digits = f"{remainder:04d}".rstrip("0")
        words = f"{asked} = {floor:,}.{digits}, {half} to {wanted:,}"
    return words if wanted == share.commission_minor else f"{words}; recorded is {share.commission_minor:,}"
