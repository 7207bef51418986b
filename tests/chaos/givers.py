"""Who give work to a hive and remember what they were told, and who change their minds about it."""

import http.client
import os
import random
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ..hives import TrialHive
from .chronicle import Chronicle
from .orders import Order

LABOURER_NAME = "labourer"
FOREMAN_NAME = "foreman"
"""The same labourer behind an agent that is kept between turns."""
NO_ANSWER = (OSError, http.client.HTTPException, ValueError)
_LATER = (429, 503, 504)
"""Not now, but the sender may come again."""


@dataclass(slots=True)
class Given:
    """An order and how it stands with its giver: what is `unsure` is given again. `withdrawn`: somebody asked for its
    end."""

    order: Order
    fate: Literal["kept", "unsure", "acknowledged", "refused"] = "kept"
    answer: str = ""
    withdrawn: bool = False


class Giver:
    """Gives order after order: over HTTP until it is taken, as a file once."""

    def __init__(self, name: str, hive: TrialHive, chronicle: Chronicle, orders: Iterable[Order]) -> None:
        self.name = name
        self.given = [Given(order) for order in orders]
        self._left = deque(self.given)
        self._hive = hive
        self._chronicle = chronicle

    @property
    def is_done(self) -> bool:
        return not self._left

    def act(self, rng: random.Random) -> None:
        if not self._left:
            return
        given = self._left.popleft()
        if given.order.way in ("door", "letter"):
            self._ask(given)
        else:
            self._lay(given.order, rng)
            given.fate = "acknowledged"
        if given.fate in ("kept", "unsure"):
            self._left.append(given)

    def _ask(self, given: Given) -> None:
        order = given.order
        route, about = "/api/tasks", {"task_id": order.label, "to": order.to, "after": list(order.after)}
        if order.way == "letter":
            route, about = "/api/messages", {"message_id": order.label, "to_bot": order.to, "from_bot": self.name}
        try:
            status, answer = self._hive.call("POST", route, {"text": order.text, "priority": order.priority, **about})
        except NO_ANSWER as error:
            given.fate, given.answer = "unsure", type(error).__name__
        else:
            given.answer = f"{status} {answer}"
            if status < 300:
                given.fate = "acknowledged"
            elif status not in _LATER:
                given.fate = "refused"
        self._chronicle.note(self.name, f"gives {order.text} to {order.to or 'anyone'}: {given.answer}")

    def _lay(self, order: Order, rng: random.Random) -> None:
        """Moved into its place, or written there while others look."""
        folder = self._hive.folder.tasks / order.folder
        folder.mkdir(parents=True, exist_ok=True)
        path, data = folder / order.file, order.text.encode()
        if rng.random() < 0.7:
            new = folder / f".{order.label}.tmp"
            new.write_bytes(data)
            os.rename(new, path)
        else:
            with path.open("wb", buffering=0) as file:
                file.write(data[: len(data) // 2])
                time.sleep(rng.uniform(0, 0.05))
                file.write(data[len(data) // 2 :])
        self._chronicle.note(self.name, f"lays {order.folder}/{order.file}")


class Meddler:
    """Cancels, changes and tries again tasks that were given, and stops, starts and kills bots they are with."""

    def __init__(self, name: str, hive: TrialHive, chronicle: Chronicle, givers: Iterable[Giver]) -> None:
        self.name = name
        self._hive = hive
        self._chronicle = chronicle
        self._givers = list(givers)

    def act(self, rng: random.Random) -> None:
        status = self._hive.status()
        known = [given for giver in self._givers for given in giver.given if given.order.way == "door"]
        known = [given for given in known if given.fate == "acknowledged"]
        if not status or not known:
            return
        bots = [bot["id"] for bot in status["bots"]]
        off = [bot["id"] for bot in status["bots"] if bot["state"] in ("stopped", "exited", "fatal")]
        given = rng.choice(known)
        task = f"/api/tasks/{given.order.label}"
        match rng.choices(("cancel", "rank", "readdress", "restart", "stop", "kill"), (1, 4, 4, 2, 2, 1))[0]:
            case _ if off:
                self._ask("POST", f"/api/bot/restart/{rng.choice(off)}")
            case "cancel":
                given.withdrawn = True
                self._ask("POST", f"{task}/cancel")
            case "rank":
                self._ask("PATCH", task, {"priority": rng.randrange(4)})
            case "readdress":
                self._ask("PATCH", task, {"to": rng.choice(("", *bots))})
            case verb:
                self._ask("POST", f"/api/bot/{verb}/{rng.choice(bots)}")

    def _ask(self, method: str, route: str, body: dict[str, object] | None = None) -> None:
        self._chronicle.note(self.name, f"asks for {route} {body or ''}")
        try:
            answer = str(self._hive.call(method, route, body))[:200]
        except NO_ANSWER as error:
            answer = f"{type(error).__name__} {error}"
        self._chronicle.note(self.name, f"was told, of {route}: {answer}")
