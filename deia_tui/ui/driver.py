"""The terminal driver of the console: Textual's, but a terminal that does not read, or is gone, never stops the app,
and it draws on standard output (Textual: standard error), so that `2>file` keeps errors.

Textual's writer blocks the app's loop when its queue is full, and dies with the terminal; then nobody drains the queue
any more and the app hangs in its own shutdown.
"""

import contextlib
import os
import signal
import sys
from queue import Full
from types import FrameType
from typing import TYPE_CHECKING, Any, TextIO

from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key, Paste
from textual.message import Message

if TYPE_CHECKING:
    from deia_tui.ui.app import ConsoleApp

PATIENCE_S = 1.0
"""How long a write waits for a terminal that does not read; then all are dropped until the queue is empty."""


class PatientWriter(WriterThread):
    """`stalled` is set from the first text that was dropped until everything before it was written.

    It writes past Python's buffer: a thread that is stuck in there holds a lock that the interpreter wants at its end.
    """

    def __init__(self, file: TextIO) -> None:
        super().__init__(file)
        self.stalled = False
        self._terminal = file.fileno()
        self._encoding = file.encoding

    def write(self, text: str) -> None:
        if self.stalled and self._queue.qsize():
            return
        self.stalled = False
        try:
            self._queue.put(text, timeout=PATIENCE_S)
        except Full:
            self.stalled = True

    def run(self) -> None:
        """Until `stop`, also without a terminal: what cannot be written is gone, but the queue is drained."""
        while (text := self._queue.get()) is not None:
            rest = memoryview(text.encode(self._encoding, "replace"))
            with contextlib.suppress(OSError):
                while rest:
                    rest = rest[os.write(self._terminal, rest) :]

    def stop(self) -> None:
        """End within twice PATIENCE_S; the thread of a terminal that never reads again goes with the process."""
        try:
            self._queue.put(None, timeout=0 if self.stalled else PATIENCE_S)
        except Full:
            return
        self.join(PATIENCE_S)


class ConsoleDriver(LinuxDriver):
    _app: "ConsoleApp"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._patient: PatientWriter | None = None
        super().__init__(*args, **kwargs)
        # The kernel sends SIGHUP and SIGCONT when the terminal goes: Textual's handlers would start it once more, and
        # suspending the process would suspend supervision.
        signal.signal(signal.SIGTSTP, _ignore)
        signal.signal(signal.SIGCONT, signal.SIG_DFL)

    @property
    def _writer_thread(self) -> PatientWriter | None:
        return self._patient

    @_writer_thread.setter
    def _writer_thread(self, writer: WriterThread | None) -> None:
        """`start_application_mode` makes a writer of its own: take a patient one in its place."""
        self._patient = None if writer is None else PatientWriter(sys.__stdout__ or sys.stdout)

    def write(self, data: str) -> None:
        stalled = self._patient is not None and self._patient.stalled
        super().write(data)
        if stalled and self._patient is not None and not self._patient.stalled:
            self._app.call_later(self._app.refresh)  # the frames between are lost: paint all of it

    def send_message(self, message: Message) -> None:
        if isinstance(message, Key | Paste):
            self._loop.call_soon_threadsafe(self._app.type_ahead.put, message)
        else:
            super().send_message(message)

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except OSError:
            self._app.call_later(self._app.hang_up)


def _ignore(signum: int, frame: FrameType | None) -> None:
    """Not SIG_IGN, which bots and agents would inherit."""
