"""The fix: the commission is what was agreed when the money was taken, rounded half to even."""

from __future__ import annotations

from domain.splitting import Share
from tests.replay.planted.earnings import Earnings


class RightEarnings(Earnings):
    version = 2

    def commission(self, share: Share) -> int:
        return share.commission_minor


VIEW = RightEarnings()
