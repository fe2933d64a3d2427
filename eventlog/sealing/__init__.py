"""Seals and opens personal data: a key per subject, kept outside the database and its backups, so that it can be
destroyed.

`seals` is what the rest of the program uses; `keys` says what a store of data keys does, `sqlite_keys` and
`memory_keys` do it; `master_keys` is the file with the keys that data keys are wrapped with; `cipher` is AES-256-GCM.
"""

from __future__ import annotations
