"""The terminal driver of the console: Textual's, but a terminal that does not read, or is gone, never stops the app,
and it draws on standard output (Textual: standard error), so that `2>file` keeps errors.

Textual's writer blocks the app's loop when its queue is full, and dies with the terminal; then nobody drains the queue
any more and the app hangs in its own shutdown.
"""

import signal
import sys
from queue import Full
from types import FrameType
from typing import IO, TYPE_CHECKING, Any

from textual.drivers._writer_thread import WriterThread
from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from deia_tui.ui.app import ConsoleApp

PATIENCE_S = 1.0
"""How long a write waits for a terminal that does not read; then all are dropped until the queue is empty."""


class PatientWriter(WriterThread):
    """`stalled` is set from the first text that was dropped until everything before it was written."""

    def __init__(self, file: IO[str]) -> None:
        super().__init__(file)
        self.stalled = False

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
            try:
                self._file.write(text)
                if not self._queue.qsize():
                    self._file.flush()
            except (OSError, ValueError):
                continue

    def stop(self) -> None:
        """End within twice PATIENCE_S; the thread of a terminal that never reads again goes with the process."""
        try:
            self._queue.put(None, timeout=PATIENCE_S)
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

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except OSError:
            self._app.call_later(self._app.hang_up)


def _ignore(signum: int, frame: FrameType | None) -> None:
    """Not SIG_IGN, which bots and agents would inherit."""
