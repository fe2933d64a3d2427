"""The bug: the commission is rounded up, in the platform's favour."""

from __future__ import annotations

from domain.splitting import Share
from tests.replay.planted.earnings import Earnings


class WrongEarnings(Earnings):
    version = 1

    def commission(self, share: Share) -> int:
        return -(-share.gross_minor // 10)


VIEW = WrongEarnings()
