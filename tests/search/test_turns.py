import threading
import time

from vultus.search.turns import Turns


def test_readers_share_and_writers_are_alone() -> None:
    turns, log, together = Turns(), [], threading.Barrier(3, timeout=30)
    state = {"reading": 0, "writing": 0}

    def read() -> None:
        with turns.reading():
            together.wait()  # all three are inside at once
        for _ in range(200):
            with turns.reading():
                state["reading"] += 1
                log.append(state["writing"])
                state["reading"] -= 1

    def write() -> None:
        for _ in range(50):
            with turns.writing():
                state["writing"] += 1
                log.append(state["writing"] - 1)
                time.sleep(0.0001)
                state["writing"] -= 1

    threads = [threading.Thread(target=kind) for kind in (read, read, read, write, write)]
    for thread in threads[:3]:
        thread.start()
    for thread in threads[3:]:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert len(log) == 700
    assert not any(log)
