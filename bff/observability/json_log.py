"""Log records as JSON, one object a line."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

import orjson

from bff.observability.request_id import current_request_id

__all__ = ["JSONFormatter", "LogFormat", "log_config"]

LogFormat: TypeAlias = Literal["text", "json"]

_OWN: Final = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {
    "asctime",
    "color_message",
    "message",
    "request_id",
    "taskName",
}
"""What every record has, and uvicorn's: the rest was given with ``extra``."""

_TEXT: Final = "%(levelname)s:     %(name)s: %(message)s"


class JSONFormatter(logging.Formatter):
    """``time`` (UTC), ``level``, ``logger``, ``message``; ``requestId`` within a request, ``error`` with its traceback, and
    what was given with ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        id = getattr(record, "request_id", None) or current_request_id.get()
        if id is not None:
            said["requestId"] = id
        if record.exc_info and record.exc_info[0] is not None:
            kind, error, _ = record.exc_info
            said["error"] = {"type": kind.__name__, "message": str(error), "traceback": self.formatException(record.exc_info)}
        said |= {name: value for name, value in record.__dict__.items() if name not in _OWN}
        return orjson.dumps(said, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class TextFormatter(logging.Formatter):
    """As uvicorn's own lines, with the id of the request behind the message."""

    def __init__(self) -> None:
        super().__init__(_TEXT)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        text = super().formatMessage(record)
        id = getattr(record, "request_id", None)
        return text if id is None else f"{text} [request {id}]"


def log_config(form: LogFormat) -> dict[str, Any]:
    """What ``logging.config.dictConfig`` takes: everything from INFO on goes to standard error, in one form."""
    formatter = JSONFormatter if form == "json" else TextFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request": {"()": "bff.observability.request_id.RequestIdFilter"}},
        "formatters": {"line": {"()": f"{formatter.__module__}.{formatter.__qualname__}"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "line",
                "filters": ["request"],
            }
        },
        "root": {"level": "INFO", "handlers": ["stderr"]},
        # uvicorn's own handlers would write each of its lines once more.
        "loggers": {name: {"handlers": [], "propagate": True} for name in ("uvicorn", "uvicorn.error", "uvicorn.access")},
    }
