"""What lives in Redis while jobs run: key names, shapes, and how they are read.

Redis holds nothing that may not be lost: live progress, the tail of a log, a wish to cancel,
what a machine says of itself. Written by the runner, read by web and control.
Absent and ``""`` both mean *unknown*, and are read as ``None``, never as zero.
"""

from borgui.live.client import (
    PLAIN,
    connect,
)
from borgui.live.job import (
    DAY,
    TAIL_KEEP,
    TAIL_LIMIT,
    Live,
    Tail,
    announce,
    cancel_key,
    end,
    is_cancelled,
    is_fresh,
    job_key,
    log_key,
    read,
    read_many,
    read_state,
    read_tail,
    request_cancel,
    write_outcome,
)
from borgui.live.machine import (
    MACHINE_TTL,
    Machine,
    Process,
    acked_key,
    acknowledge,
    acknowledged,
    beat,
    begin_epoch,
    living,
    machine_key,
    process_key,
    read_machine,
)
from borgui.live.questions import (
    answer,
    await_answer,
    new_request,
)
from borgui.live.values import (
    as_text,
    encode,
    timestamp,
)

__all__ = (
    "DAY",
    "MACHINE_TTL",
    "PLAIN",
    "TAIL_KEEP",
    "TAIL_LIMIT",
    "Live",
    "Machine",
    "Process",
    "Tail",
    "acked_key",
    "acknowledge",
    "acknowledged",
    "announce",
    "answer",
    "as_text",
    "await_answer",
    "beat",
    "begin_epoch",
    "cancel_key",
    "connect",
    "encode",
    "end",
    "is_cancelled",
    "is_fresh",
    "job_key",
    "living",
    "log_key",
    "machine_key",
    "new_request",
    "process_key",
    "read",
    "read_machine",
    "read_many",
    "read_state",
    "read_tail",
    "request_cancel",
    "timestamp",
    "write_outcome",
)
