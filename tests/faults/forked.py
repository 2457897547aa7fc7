"""Lives in forked processes, whose imports are done: each is one job, and may be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

__all__ = ["work_off"]

J = TypeVar("J")


def work_off(
    job_type: Callable[..., J],
    run: Callable[[J], Coroutine[Any, Any, None]],
    *,
    log: Callable[[J], str],
    environment: Callable[[J], dict[str, str]],
    seconds: int,
) -> None:
    """Fork for each job on standard input, and answer with how it ended. None lasts longer than ``seconds``."""
    for line in sys.stdin:
        job = job_type(**json.loads(line))
        child = os.fork()
        if child == 0:
            _live(run(job), log(job), environment(job), seconds)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _live(life: Coroutine[Any, Any, None], log: str, environment: dict[str, str], seconds: int) -> NoReturn:
    signal.alarm(seconds)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ |= environment
    code = 1
    try:
        asyncio.run(life)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
