"""Views: one file per view, each a pure fold from events to rows.

A view file sees facts and rows only: no database, no rail, no clock, no chance. What reads the log and writes the
tables is `replay`; `queries.py` is the one place where views are read, and where ownership is enforced.
"""
