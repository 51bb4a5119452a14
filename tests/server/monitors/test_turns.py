import threading
import time

from vultus.server.monitors.turns import Turns


def test_requests_go_first_and_hold_a_frame_up_for_a_while_only() -> None:
    busy = [1]
    turns = Turns(lambda: busy[0], patience_s=60)
    done = threading.Event()

    def frame() -> None:
        with turns:
            done.set()

    thread = threading.Thread(target=frame)
    thread.start()
    assert not done.wait(0.2)
    busy[0] = 0
    assert done.wait(30)
    thread.join()
    busy[0] = 1
    impatient = Turns(lambda: busy[0], patience_s=0.05)
    began = time.monotonic()
    with impatient:
        assert 0.04 < time.monotonic() - began < 30


def test_frames_of_so_many_monitors_are_worked_on_at_once() -> None:
    turns = Turns(lambda: 0, at_once=2)
    now, most, lock = [0], [0], threading.Lock()

    def frame() -> None:
        with turns:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.05)
            with lock:
                now[0] -= 1

    threads = [threading.Thread(target=frame) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert most[0] == 2
