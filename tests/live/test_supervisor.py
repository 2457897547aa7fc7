"""What is supervised runs until it is closed, and says how it is."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref

import pytest

from bff.supervisor import Backoff, State, Supervisor

pytestmark = pytest.mark.anyio

QUICK = Backoff(first=0.0001, limit=0.001)


class Flaky:
    """Raises the first times, then runs for ever."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.runs = 0
        self.running = asyncio.Event()
        self.ended = False

    async def __call__(self) -> None:
        self.runs += 1
        if self.errors:
            raise self.errors.pop(0)
        self.running.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # an end that takes a while is waited for
            self.ended = True


async def test_what_raises_is_started_again_and_is_failing_until_it_says_it_is_well(caplog: pytest.LogCaptureFixture) -> None:
    flaky = Flaky(RuntimeError("one"), OSError("two"))
    async with asyncio.timeout(10), Supervisor("s", backoff=QUICK) as supervisor:
        supervisor.start("flaky", flaky)
        await flaky.running.wait()
        (status,) = supervisor.status()
        assert (status.name, status.state, status.failures, str(status.last_error)) == ("flaky", State.FAILING, 2, "two")
        supervisor.healthy("flaky")
        (status,) = supervisor.status()
        assert (status.state, status.failures, str(status.last_error)) == (State.RUNNING, 0, "two")
    assert flaky.ended
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in errors] == [
        "s: flaky failed (1 in a row): RuntimeError: one",
        "s: flaky failed (2 in a row): OSError: two",
    ]
    assert [record.exc_info is not None for record in errors] == [True, False]


class Held:
    """Something large."""


@pytest.mark.parametrize("wraps", ["nothing", "a cause", "a group"])
async def test_an_error_that_is_kept_keeps_nothing_else(wraps: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "bff.supervisor")  # what was logged is kept, too, by who captures it
    held: list[weakref.ref[Held]] = []

    def fail() -> None:
        thing = Held()
        held.append(weakref.ref(thing))
        raise OSError("gone")

    def fail_wrapped() -> None:
        try:
            fail()
        except OSError as error:
            if wraps == "a group":
                raise ExceptionGroup("all", [error]) from None
            if wraps == "a cause":
                raise RuntimeError("because") from error
            raise

    failed = asyncio.Event()

    async def run() -> None:
        if held:
            failed.set()
            await asyncio.Event().wait()
        fail_wrapped()

    async with asyncio.timeout(10), Supervisor("s", backoff=QUICK) as supervisor:
        supervisor.start("run", run)
        await failed.wait()
        (status,) = supervisor.status()
        assert status.last_error is not None
        gc.collect()
        assert held[0]() is None


async def test_what_runs_for_a_while_is_well() -> None:
    flaky = Flaky(RuntimeError("one"))
    async with asyncio.timeout(10), Supervisor("s", backoff=QUICK, settled=0) as supervisor:
        supervisor.start("flaky", flaky)
        await flaky.running.wait()
        while supervisor.status()[0].state is not State.RUNNING:  # noqa: ASYNC110 - a timer of zero seconds
            await asyncio.sleep(0)


async def test_a_cancellation_from_inside_is_a_failure_like_any_other() -> None:
    flaky = Flaky(asyncio.CancelledError())
    async with asyncio.timeout(10), Supervisor("s", backoff=QUICK) as supervisor:
        supervisor.start("flaky", flaky)
        await flaky.running.wait()
        assert flaky.runs == 2


async def test_what_returns_is_finished() -> None:
    async def brief() -> None:
        return

    async with Supervisor("s") as supervisor:
        supervisor.start("brief", brief)
        await asyncio.sleep(0)
        assert supervisor.status()[0].state is State.FINISHED
        supervisor.start("brief", brief)  # and may be started again


async def test_a_name_is_free_as_soon_as_it_is_stopped_and_closing_waits_for_the_end() -> None:
    first, second = Flaky(), Flaky()
    async with asyncio.timeout(10), Supervisor("s") as supervisor:
        supervisor.start("flaky", first)
        await first.running.wait()
        with pytest.raises(RuntimeError, match="running already"):
            supervisor.start("flaky", second)
        supervisor.stop("flaky")
        supervisor.start("flaky", second)
        await second.running.wait()
        supervisor.stop("flaky")
        assert supervisor.status() == ()
    assert first.ended
    assert second.ended
    with pytest.raises(RuntimeError, match="closed"):
        supervisor.start("flaky", first)


async def test_closing_waits_even_when_it_is_cancelled() -> None:
    release = asyncio.Event()
    ended: list[bool] = []

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await release.wait()
            ended.append(True)

    supervisor = Supervisor("s")
    supervisor.start("stubborn", stubborn)
    await asyncio.sleep(0)
    closing = asyncio.create_task(supervisor.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.sleep(0)
    release.set()
    async with asyncio.timeout(10):
        await asyncio.wait({closing})
    assert closing.cancelled()
    assert ended == [True]


def test_a_backoff_doubles_up_to_its_limit_and_is_never_the_same_for_all() -> None:
    backoff = Backoff(first=1, limit=8)
    for failures, longest in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (1000, 8)]:
        delays = {backoff.delay(failures) for _ in range(20)}
        assert all(longest / 2 <= delay <= longest for delay in delays)
        assert len(delays) > 1
