"""The log outside the database: Parquet files that replay reads again, and books as a Beancount ledger.

Parquet's library is imported by `columns` alone, and by those who import it: no process of the program loads it.
"""
