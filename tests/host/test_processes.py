"""What the passes over /proc find."""

import os
import subprocess
import sys
from pathlib import Path

from deia_tui.host.brand import brand_of, brand_worn, wear
from deia_tui.host.processes import by_parent, carriers, descendants, my_children
from deia_tui.identity import identify

from .living import until

BELOW = "import os, time; os.fork(); os.fork(); print(flush=True); time.sleep(1000)"


def test_children_are_the_same_in_either_way_of_looking() -> None:
    with subprocess.Popen(["sleep", "1000"]) as child:
        assert child.pid in my_children()
        assert child.pid in [process.pid for process in by_parent()[os.getpid()]]
        child.kill()


def test_descendants_of_descendants_are_found() -> None:
    with subprocess.Popen([sys.executable, "-c", BELOW], stdout=subprocess.PIPE) as child:
        below = until(lambda: len(found := descendants(by_parent(), child.pid)) == 3 and found, "three forks")
        for process in (*below, identify(child.pid)):
            os.kill(process.pid, 9)


def test_carriers_of_a_nonce_are_found_by_their_first_environment() -> None:
    with subprocess.Popen(["sleep", "1000"], env={"DEIA_RUN": "nonce-of-this-test"}) as child:
        until(lambda: carriers({"nonce-of-this-test"}) == [("nonce-of-this-test", identify(child.pid))], "the carrier")
        assert carriers({"another"}) == [] and carriers({}) == []
        child.kill()


def test_carriers_of_a_nonce_are_found_by_what_they_inherit_however_they_hide() -> None:
    hidden = [sys.executable, "-c", "import os; os.setsid(); os.execve('/bin/sleep', ['sleep', '1000'], {})"]
    with subprocess.Popen(hidden, preexec_fn=lambda: wear("nonce-of-this-test")) as child:
        assert carriers({"nonce-of-this-test"}) == [("nonce-of-this-test", identify(child.pid))]
        until(lambda: not (Path(f"/proc/{child.pid}") / "environ").read_bytes(), "an empty environment")
        assert carriers({"nonce-of-this-test"}) == [("nonce-of-this-test", identify(child.pid))]
        child.kill()
    assert brand_worn(os.getpid()) != brand_of("nonce-of-this-test") != brand_of("another")
