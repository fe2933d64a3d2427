"""Use cases and processes that face payment rails: checkout, attempts, timers, evidence.

Commands come in as validated objects (`payments.commands`), become events of payment orders and merchants through the
one write call of the event log, and the payment process talks to the rails. No posting, no view and no SQL lives here:
the posting engine and the views follow the log.
"""
