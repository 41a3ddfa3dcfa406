"""One JSON object a line on stdout, for our own loggers and for uvicorn's."""

import json
import logging
import logging.config
from datetime import UTC, datetime

from notes.settings import Settings

STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
NOT_WORTH_A_FIELD = {"color_message"}  # uvicorn's, with terminal colours in it


class JsonFormatter(logging.Formatter):
    """`log.info("text", extra={"note": 7})` becomes a line with the field `note`."""

    def __init__(self, **always: str) -> None:
        super().__init__()
        self.always = always

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self.always,
        }
        if access := access_fields(record):
            line |= access
        extra = record.__dict__.keys() - STANDARD - NOT_WORTH_A_FIELD
        line |= {name: record.__dict__[name] for name in sorted(extra)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class HealthyChecksAreSilent(logging.Filter):
    """Something asks /health every other second; only a bad answer is news."""

    def filter(self, record: logging.LogRecord) -> bool:
        access = access_fields(record)
        return not (access and access["path"] == "/health" and access["status"] == 200)


def access_fields(record: logging.LogRecord) -> dict[str, object] | None:
    if record.name != "uvicorn.access" or not isinstance(record.args, tuple):
        return None
    client, method, path, _, status = record.args
    return {"client": client, "method": method, "path": path, "status": status}


def configure(settings: Settings) -> None:
    to_the_root = {"handlers": [], "propagate": True}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": JsonFormatter,
                    "environment": settings.environment,
                    "commit": settings.commit,
                    "release": settings.release,
                }
            },
            "filters": {"health": {"()": HealthyChecksAreSilent}},
            "handlers": {
                "stdout": {
                    "class": "logging.StreamHandler",
                    "stream": "ext://sys.stdout",
                    "formatter": "json",
                }
            },
            "root": {"level": settings.log_level, "handlers": ["stdout"]},
            "loggers": {
                "uvicorn": to_the_root,
                "uvicorn.error": to_the_root,
                "uvicorn.access": to_the_root | {"filters": ["health"]},
            },
        }
    )
