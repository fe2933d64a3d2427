"""A payment rail to practise on: a server with its own protocol, its own books and its own idempotency.

It imports nothing of the rest of the program, not even the money type: its books are an independent oracle, and a
mistake in our arithmetic must not be made twice. What it does with which amount is data, in `magic.py`.
"""
