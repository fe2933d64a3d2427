"""The one machine that fills views from the log, and the care of streams it had to park.

It cannot have side effects: nothing here may reach a rail, a queue or a payment use case. A live view is a build
that has caught up.
"""
