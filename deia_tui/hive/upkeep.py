"""Looks after the store while a hive is open: its file stays in place, what it cannot take is told, it is backed up,
and what is old goes. Whatever an operator must know becomes an alert; nothing here ever holds up a bot."""

import asyncio
import contextlib
import time

from deia_tui.core.alerts import Clear, Raise
from deia_tui.core.errors import StoreError
from deia_tui.folder import Folder
from deia_tui.hive.record import STORE_RETRY_S, Record
from deia_tui.settings import Settings
from deia_tui.store.backup import backups
from deia_tui.store.mending import Mended
from deia_tui.store.retention import Retention
from deia_tui.store.store import Store

LOOK_EVERY_S = 2.0
SETTLE_S = 20.0
"""A start takes the bots over first; what reads the whole database waits this long."""
PRUNE_EVERY_S = 600.0
RETRY_S = 600.0
MAX_LOG_BYTES = 256_000_000

RESTORE = "deia-tui shutdown --leave-bots, then deia-tui restore"


class Upkeep:
    def __init__(
        self, folder: Folder, store: Store, record: Record, settings: Settings, *, max_log_bytes: int = MAX_LOG_BYTES
    ) -> None:
        self._folder = folder
        self._store = store
        self._record = record
        self._settings = settings
        self._max_log_bytes = max_log_bytes
        self._refused: tuple[float, str] | None = None
        self._untold: asyncio.Queue[Raise | Clear] = asyncio.Queue()

    async def tend(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for work in (self._deliver, self._watch, self._inspect, self._back_up, self._prune):
                group.create_task(work())

    async def _watch(self) -> None:
        if (mended := self._store.examined.mended) is not None:
            self._tell(Raise(None, "store-mended", "critical", *_describe(mended, time.time())))
        while True:
            await self._stay_in_place()
            await self._own_up_to_refusals()
            self._watch_log()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _stay_in_place(self) -> None:
        if self._store.in_place:
            return
        what = "state.db was deleted or replaced while it was in use"
        try:
            aside = await self._store.put_back()
        except StoreError as error:
            action = "mend that; until then this supervisor has the only copy and must not end"
            self._tell(Raise(None, "store-file", "critical", f"{what}, and cannot be put back: {error}", action))
            return
        other = f"; the other file is .deia/{aside.name}" if aside is not None else ""
        text = f"{what}: written anew from the open connection, nothing is lost{other}"
        self._tell(Raise(None, "store-file", "critical", text, "find out who did that"))

    async def _own_up_to_refusals(self) -> None:
        """That nothing can be stored cannot be stored either: it is shown at once, and written down when it is over."""
        if self._refused is None:
            if trouble := self._store.trouble:
                self._refused = (time.monotonic(), trouble)
                action = "what happens is kept and stored once this is mended; new messages are refused"
                self._record.show(Raise(None, "store", "critical", f"nothing can be stored: {trouble}", action))
            return
        since, trouble = self._refused
        over = f"nothing could be stored for {time.monotonic() - since:.0f} s: {trouble}"
        try:
            await self._record.alert(
                [Raise(None, "store", "critical", over), Clear(None, "store", "it can be written")]
            )
        except StoreError:
            return
        self._refused = None

    def _watch_log(self) -> None:
        size = self._store.log_bytes
        if size <= self._max_log_bytes:
            self._tell(Clear(None, "store-log", "the log is short again"))
        elif not self._is_open("store-log"):
            text = (
                f"state.db-wal has grown to {size / 1e6:.0f} MB: another program keeps a transaction on state.db open"
            )
            self._tell(Raise(None, "store-log", "warning", text, "end it: 'fuser -v .deia/state.db' names it"))

    async def _inspect(self) -> None:
        """The rest of what the start had no time to look at."""
        if self._store.examined.complete:
            return
        await asyncio.sleep(SETTLE_S)
        try:
            damage = (await self._store.inspect()).damage
        except StoreError as error:
            damage = str(error)
        if damage:
            self._tell(Raise(None, "store-damaged", "critical", f"state.db is damaged: {damage}", RESTORE))

    async def _back_up(self) -> None:
        plan = self._settings.backup
        every_s = plan.every_h * 3600
        await asyncio.sleep(min(SETTLE_S, every_s))
        while True:
            newest = next(iter(backups(self._folder)), None)
            age_s = -1.0 if newest is None else time.time() - newest.at
            if 0 <= age_s < every_s:
                await asyncio.sleep(every_s - age_s)
                continue
            try:
                await self._store.back_up(keep=plan.keep)
            except StoreError as error:
                self._tell(Raise(None, "backup", "critical", f"no backup could be made: {error}", "mend that"))
                await asyncio.sleep(min(RETRY_S, every_s))
            else:
                self._tell(Clear(None, "backup", "a backup was made"))

    async def _prune(self) -> None:
        policy = self._settings.retention
        retention = Retention(events_days=policy.events_days, state_mb=policy.state_mb)
        await asyncio.sleep(SETTLE_S)
        while True:
            with contextlib.suppress(StoreError):  # whoever commits says so; the next time will do
                await self._store.prune(retention, time.time())
            await asyncio.sleep(PRUNE_EVERY_S)

    def _tell(self, wanted: Raise | Clear) -> None:
        self._untold.put_nowait(wanted)

    async def _deliver(self) -> None:
        """Each in turn, however long the store takes to recover; the same again is nothing new."""
        while True:
            wanted = await self._untold.get()
            while not (isinstance(wanted, Raise) and self._is_open(wanted.kind, wanted.text)):
                try:
                    await self._record.alert([wanted])
                    break
                except StoreError:
                    await asyncio.sleep(STORE_RETRY_S)

    def _is_open(self, kind: str, text: str | None = None) -> bool:
        return any(
            alert.kind == kind and alert.bot_id is None and alert.cleared_at is None and text in (None, alert.text)
            for alert in self._record.state.alerts
        )


def _describe(mended: Mended, now: float) -> tuple[str, str]:
    """What was done, and what is left to do."""
    kept = f"; the damaged file is .deia/{mended.aside.name}" if mended.aside is not None else ""
    if mended.kept:
        return f"state.db: {mended.damage}: what was committed last is lost{kept}", "look at what your bots did last"
    if mended.backup is None:
        text = f"state.db was damaged ({mended.damage}) and there is no backup: the hive began anew{kept}"
        return text, f"with a backup from elsewhere: {RESTORE} FILE"
    age_h = (now - mended.backup.at) / 3600
    restored = f"restored the backup {mended.backup.path.name}, {age_h:.1f} h old"
    return (
        f"state.db was damaged ({mended.damage}): {restored}{kept}",
        "what happened since that backup is lost: look at what your bots did",
    )
