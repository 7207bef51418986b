from deia_tui.core.backoff import backoff_s


def test_the_wait_between_tries_doubles_to_its_longest() -> None:
    waits = [backoff_s(failures, base_s=5, max_s=300) for failures in (0, 1, 2, 3, 7, 10_000)]
    assert waits == [5.0, 5.0, 10.0, 20.0, 300.0, 300.0]
    assert backoff_s(2, base_s=0.5, max_s=300) == 1.0
