"""The terminal the console is tested in notices what a program leaves behind."""

from .terminal import Terminal


def test_a_tidy_program_leaves_nothing_behind() -> None:
    script = (
        r"printf '\033[?1049h\033[?25l\033[?1000;1006hhello'; read x; printf '\033[?1000;1006l\033[?25h\033[?1049l'"
    )
    with Terminal(["sh", "-c", script], columns=20, lines=5) as terminal:
        terminal.until("hello")
        assert terminal.left_behind() == ["cursor off", "mouse on", "mouse (SGR) on", "alternate screen on"]
        terminal.press("enter")
        assert terminal.wait() == 0
        assert terminal.left_behind() == []


def test_changed_terminal_attributes_are_noticed() -> None:
    with Terminal(["sh", "-c", "stty -echo; exit 3"], columns=20, lines=5) as terminal:
        assert terminal.wait() == 3
        assert terminal.left_behind() == ["terminal attributes"]


def test_queries_are_answered_and_sizes_told() -> None:
    script = r"stty -icanon -echo; printf '\033[c'; dd bs=1 count=9 2>/dev/null | od -c; stty size; read x; stty size"
    with Terminal(["sh", "-c", script], columns=70, lines=5) as terminal:
        terminal.until("6   2   ;   2   2   c")
        terminal.until("5 70")
        terminal.resize(60, 10)
        terminal.press("enter")
        terminal.until("10 60")
