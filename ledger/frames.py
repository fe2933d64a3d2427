"""Cuts the byte stream of a connection into frames."""

from __future__ import annotations

from ledger.wire import LENGTH_BYTES, MAX_FRAME, FrameTooLong


class Frames:
    """Cuts a byte stream into frames, whatever the pieces in which it arrives."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """The frames that `piece` completes, in order. Raises FrameTooLong; the connection is then to be closed."""
        rest = self._rest
        rest += piece
        frames: list[bytes] = []
        start = 0
        while len(rest) - start >= LENGTH_BYTES:
            length = int.from_bytes(rest[start : start + LENGTH_BYTES], "big")
            if length > MAX_FRAME:
                raise FrameTooLong(f"a frame of {length} bytes exceeds {MAX_FRAME}")
            end = start + LENGTH_BYTES + length
            if len(rest) < end:
                break
            frames.append(bytes(rest[start + LENGTH_BYTES : end]))
            start = end
        del rest[:start]
        return frames
