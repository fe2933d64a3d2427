"""A typed client of the whole HTTP API; needs httpx and pydantic, and nothing else of Daybook.

```python
with Client("http://127.0.0.1:8080", "dbk_test_...") as daybook:
    daybook.wallets.open("wallet:alice", "EUR")
```
"""

from daybook.client.asked import Condition, MoneyLine, WalletName
from daybook.client.client import Client
from daybook.client.connection import Retries
from daybook.client.errors import (
    Conflict,
    DaybookError,
    FieldError,
    Forbidden,
    NoAnswer,
    NotFound,
    Problem,
    Refused,
    Unauthenticated,
    Unavailable,
    UnexpectedAnswer,
)

__all__ = [
    "Client",
    "Condition",
    "Conflict",
    "DaybookError",
    "FieldError",
    "Forbidden",
    "MoneyLine",
    "NoAnswer",
    "NotFound",
    "Problem",
    "Refused",
    "Retries",
    "Unauthenticated",
    "Unavailable",
    "UnexpectedAnswer",
    "WalletName",
]
