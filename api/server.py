"""Serves the application with granian: one worker process, blocking threads.

One process, because group commit gains from every concurrent command meeting in one queue; threads, because psycopg, the
engine's client and waiting requests block. More machines are added by running more of these processes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from granian.constants import Interfaces
from granian.server.embed import Server as EmbeddedServer

from api.app import create_app
from api.services import Services

if TYPE_CHECKING:
    from flask import Flask

THREADS = 64
"""Requests handled at once; waiting ones hold at most half of these (`api.waiters`)."""
