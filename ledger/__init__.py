"""The posting engine: the only writer of wallet and posting streams, one writer per book.

Here live wallet heads, the batch that turns facts and requests into postings, the loop that commits batches under
the book's lock, and the socket by which other processes ask for transfers. No posting rule lives here (those are
`domain.posting_rules`), no view, no rail and no HTTP.
"""
