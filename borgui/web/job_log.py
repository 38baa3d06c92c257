"""The log on a job's page: the end of it, then what has come since."""

from dataclasses import dataclass

from borgui import live
from borgui.extensions import live_redis, own_config
from borgui.jobs.job import ENDED, Job
from borgui.jobs.logs import log_file
from borgui.live import Live
from borgui.web import filters
from borgui.web.job_line import read_live

TAIL = 96 * 1024
"""Bytes of a log that its page begins with."""
PIECE = 64 * 1024
"""Bytes of news that one answer to a following page holds."""


@dataclass(frozen=True, slots=True)
class LogPart:
    """A piece of a log as text. ``end`` is the byte of the whole log that comes after it."""

    text: str
    end: int
    skipped: int = 0
    """Bytes before it that are not shown."""
    follows: bool = False
    """Whether more may come."""
    is_news: bool = False


def first(row: Job, known: Live | None) -> LogPart:
    """What a job's page begins with: the end of the log so far."""
    if not row.is_active:
        data, start, end = _end_of(row, TAIL)
        return LogPart(_text(data), end, start)
    end = (known.log_end if known else None) or 0
    tail = read_live(lambda: live.read_tail(live_redis(), row.id, max(end - TAIL, 0)))
    if tail is None:
        return LogPart("", 0, follows=True)
    return LogPart(_text(tail.data), tail.end, tail.base, follows=True)


def more(job_id: int, row: Job | None, known: Live | None, offset: int) -> LogPart:
    """What came after ``offset``. ``row`` is None while Redis says that the job runs."""
    if row is not None and row.status in ENDED:
        data, start, end = _end_of(row, PIECE)
        news = data[max(offset - start, 0) :]
        return LogPart(_text(news), end, max(start - offset, 0), is_news=True)
    tail = read_live(lambda: live.read_tail(live_redis(), job_id, offset))
    if tail is None or known is None:
        return LogPart("", offset, follows=True, is_news=True)
    data = tail.data[-PIECE:]
    skipped = max(tail.end - len(data) - offset, 0)
    return LogPart(_text(data), tail.end, skipped, follows=True, is_news=True)


def _end_of(row: Job, limit: int) -> tuple[bytes, int, int]:
    """The end of an ended job's log: bytes, where they begin, where they end.

    From the file, which is whole; else from the row, which may have been cut in its middle.
    """
    file = log_file(own_config(), row.id)
    try:
        with file.open("rb") as stream:
            end = stream.seek(0, 2)
            start = max(end - limit, 0)
            stream.seek(start)
            return stream.read(), start, end
    except OSError:
        data = (row.log or "").encode("utf-8", "surrogateescape")
        kept = data[-limit:]
        end = max(row.log_size or 0, len(data))
        return kept, end - len(kept), end


def _text(data: bytes) -> str:
    return filters.printable(data.decode("utf-8", "surrogateescape"))
