"""The merchant's bank: accounts, direct debits, incoming transfers, statements and notifications in ISO 20022."""
