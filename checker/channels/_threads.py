"""Blocking libraries in a daemon thread of their own, waited for until a deadline and no longer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

from checker.channels.base import ChannelError


async def run(job: Callable[[], None], timeout: float, what: str, abort: Callable[[], None]) -> None:
    """Run `job` in a thread; after `timeout` seconds call `abort` and raise a temporary `ChannelError`.

    A thread of our own and not the loop's executor: a hung job must neither take a place in a pool nor be
    joined when the process ends.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def work() -> None:
        problem: Exception | None = None
        try:
            job()
        except Exception as error:  # noqa: BLE001 - it is raised again in the caller's task
            problem = error
        with contextlib.suppress(RuntimeError):  # the loop was closed while the job hung
            loop.call_soon_threadsafe(settle, problem)

    threading.Thread(target=work, name=f"healthkit-{what}", daemon=True).start()
    try:
        async with asyncio.timeout(timeout):
            await done
    except TimeoutError:
        abort()
        raise ChannelError(f"{what} was not done within {timeout:g} s") from None
    except asyncio.CancelledError:
        abort()
        raise
