"""Payment rails: the port, the registry, and one adapter per file.

A rail is a company or a network that moves money when it is asked to. What lives here turns its protocol into the
closed set of replies in `rails.port`; it decides nothing about orders and books, and reads no event log. `simulator/`
is a server of its own that imports nothing else of this program, so that its books are an independent oracle.
"""
