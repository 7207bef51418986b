"""Slow work on files in a thread of its own, beside the event loop; it is told when nobody waits for it any more.

Not asyncio.to_thread: its pool cannot be made once the main thread has ended, and its threads stay.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


async def in_thread(work: Callable[[Callable[[], bool]], Result]) -> Result:
    """What `work` returns. It is given a question to ask now and then: shall it give up, since we were cancelled?"""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Result] = loop.create_future()
    given_up = threading.Event()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        try:
            outcome: tuple[Result | None, BaseException | None] = work(given_up.is_set), None
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            outcome = None, error
        with contextlib.suppress(RuntimeError):  # the loop may have ended meanwhile
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, name="store work").start()
    try:
        return await answer
    finally:
        given_up.set()
