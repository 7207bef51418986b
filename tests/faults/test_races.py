"""Orders that race: one launch of an id wins, and a stop wins over whatever goes on."""

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random, SystemRandom
from threading import Barrier

import pytest

from tests.faults.conftest import Measured
from tests.faults.hive import FaultyHive, hit
from tests.hives import until

RACERS = 8
BOTS = 10
ROUNDS = 6


@pytest.mark.fault(14)
def test_of_eight_launches_of_one_id_one_wins(hive: FaultyHive) -> None:
    hive.serve()
    hive.launch("shell", 1)
    with ThreadPoolExecutor(RACERS) as pool:
        for number in range(4):
            bot_id, start = f"RACER-{number}", Barrier(RACERS)
            answers = list(pool.map(lambda _, bot_id=bot_id, start=start: _launch(hive, bot_id, start), range(RACERS)))
            statuses = Counter(status for status, _ in answers)
            assert statuses == {200: 1, 409: RACERS - 1}, answers
            assert all(bot_id in detail and "already" in detail for status, detail in answers if status == 409)
            assert [event["run"] for event in hive.events("bot_starting", bot_id=bot_id)] == [1]
    hive.ask("POST", "/api/bot/stop/RACER-0")
    with ThreadPoolExecutor(RACERS) as pool:
        start = Barrier(RACERS)
        answers = list(pool.map(lambda _: _launch(hive, "RACER-0", start), range(RACERS)))
    assert Counter(status for status, _ in answers) == {200: 1, 409: RACERS - 1}, answers
    assert [event["run"] for event in hive.events("bot_starting", bot_id="RACER-0")] == [1, 2]


def _launch(hive: FaultyHive, bot_id: str, start: Barrier) -> tuple[int, str]:
    start.wait()
    status, answer = hive.call("POST", "/api/bot/launch", {"what": "shell", "bot_id": bot_id})
    return status, str(answer)


@pytest.mark.fault(44)
def test_a_stop_wins_over_start_restart_and_backoff(hive: FaultyHive, measured: Measured) -> None:
    seed = int(os.environ.get("FAULTS_SEED") or SystemRandom().randrange(1 << 32))
    measured(f"{BOTS * ROUNDS} interleavings, FAULTS_SEED={seed}")
    hive.configure("[restart]\nbackoff_base_s = 0.1\nmax_restarts = 1000\n")
    hive.serve()
    bots = [f"BOT-{number:03d}" for number in range(1, BOTS + 1)]
    with ThreadPoolExecutor(BOTS) as pool:
        list(pool.map(lambda bot_id: _torment(hive, bot_id, Random(f"{seed} {bot_id}")), bots))
    time.sleep(0.5)  # longer than any backoff: nothing may come back
    assert {bot["id"]: bot["state"] for bot in hive.ask("GET", "/api/bots")} == dict.fromkeys(bots, "stopped")
    assert hive.pids() == {}


def _torment(hive: FaultyHive, bot_id: str, random: Random) -> None:
    """Each round is a stop into some confusion, then one into a single order under way, which must hold."""
    for number in range(ROUNDS):
        with ThreadPoolExecutor(4) as pool:
            for _ in range(random.randint(1, 3)):
                pool.submit(_order, hive, bot_id, random.choice(("launch", "restart", "kill", "crash")))
                time.sleep(random.uniform(0, 0.02))
            pool.submit(_order, hive, bot_id, "stop")
        _order(hive, bot_id, "launch")
        with ThreadPoolExecutor(1) as pool:
            last = random.choice(("launch", "crash", "restart"))
            _begin(hive, bot_id, last, pool)
            time.sleep(random.choice((0.0, random.uniform(0, 0.05))))
            status, answer = hive.call("POST", f"/api/bot/stop/{bot_id}")
            assert status == 200, answer
            assert hive.bot(bot_id)["state"] == "stopped", f"{bot_id} survived a stop after {last} in round {number}"


def _begin(hive: FaultyHive, bot_id: str, last: str, pool: ThreadPoolExecutor) -> None:
    """Return as soon as the order is known to have reached the bot."""
    if last == "restart":
        run = hive.bot(bot_id)["run"]
        order = pool.submit(_order, hive, bot_id, "restart")
        until(
            lambda: order.done() or hive.bot(bot_id)["state"] == "stopping" or hive.bot(bot_id)["run"] > run, "restart"
        )
    else:
        _order(hive, bot_id, last)


def _order(hive: FaultyHive, bot_id: str, what: str) -> None:
    match what:
        case "launch":
            hive.call("POST", "/api/bot/launch", {"what": "shell", "bot_id": bot_id, "wait": False})
        case "crash":
            with suppress(OSError, KeyError):  # it has just ended by itself
                hit(hive.pids()[bot_id])
        case _:
            hive.call("POST", f"/api/bot/{what}/{bot_id}")
