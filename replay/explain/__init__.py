"""Explanations: the events, rules and versions behind a number. One file per subject, pure: events in, words out."""
