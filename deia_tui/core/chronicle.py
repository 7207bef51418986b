"""Every line that an event adds to any log: those of the event alone (journal.py), and those of the hive-wide logs that
must remember something from one event to the next (journals/)."""

from deia_tui.core import events as ev
from deia_tui.core.journal import Line, registry_action, route
from deia_tui.core.journals.approvals import Approvals
from deia_tui.core.journals.backpressure import Backpressure
from deia_tui.core.journals.health import HealthAlerts
from deia_tui.core.journals.load import LoadManagement
from deia_tui.core.journals.messaging import Messaging
from deia_tui.core.journals.scheduling import Scheduling
from deia_tui.core.redact import redact
from deia_tui.core.state import HiveState


class Chronicle:
    """For the events of one hive, in order; `state` is the one before the first of them. `registry_version` counts the
    changes of registry.json."""

    def __init__(self, state: HiveState, *, registry_version: int) -> None:
        self.registry_version = registry_version
        self._journals = (
            Messaging(),
            HealthAlerts(state),
            Backpressure(),
            LoadManagement(),
            Approvals(state),
            Scheduling(),
        )

    def lines(self, event: ev.Event) -> list[Line]:
        """Everything to be written because of `event`."""
        self.registry_version += registry_action(event) is not None
        more = (line for journal in self._journals for line in journal.lines(event))
        return [*route(event, registry_version=self.registry_version), *((file, redact(row)) for file, row in more)]
