"""Everything that turns the rooms into a running program.

Lives here: settings, logging, the composition root, the supervisor and its roles, the CLI commands, the embedded
PostgreSQL and the migration step. What may not live here: accounting rules, SQL of views, rail protocols; those have
rooms of their own, and no other room may import this one.
"""
