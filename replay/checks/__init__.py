"""Audit checks: one file per check, found by its `CHECK`. Events in, findings out; `replay.verify` runs them."""
