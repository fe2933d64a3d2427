"""The event log: the append-only table that *is* the ledger, and the ways to write, read and follow it.

Here live the PostgreSQL recorder and its in-memory twin, group commit, followers and their horizon, the mapper
between stored rows and domain events, and wallet snapshots. No business rule lives here, and nothing here knows
a view, a rail or HTTP.
"""
