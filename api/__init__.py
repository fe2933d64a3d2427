"""The HTTP face of Daybook: a Flask application factory and one module per resource.

Here live request schemas, authentication, ownership and the shapes of answers. Nothing is decided here that another
entrance (the command line, an import) would have to decide again: rules of money live in `domain`, use cases in
`payments`, postings in `ledger`. The API never writes a view and never calls a rail.
"""
