"""What if: the same history under a changed view, posting rule or fee table, with the difference in money.

Nothing of it is real: views are folded into tables of one database session that end with it, the log is only read.
"""
