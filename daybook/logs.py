"""Log lines as data: JSON when somebody's program reads them, colours when a person does.

Everything goes to standard error, so that a command's standard output stays its answer.
"""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logging(level: str, role: str) -> None:
    """Set up structlog and the standard library's logging alike; every line carries the process's `role`."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(role=role)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer()
    else:
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # One line per call to a rail is the rail adapter's to write, with the fields that matter. Stripe's SDK would write
    # whole replies, and with them who paid.
    for noisy in ("httpx", "httpcore", "stripe", "yoyo"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
