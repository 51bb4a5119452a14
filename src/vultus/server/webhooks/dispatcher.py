"""What sends events to webhooks: at least once, in their order, as long as it takes."""

import json
import logging
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from vultus.gallery.events.event import Event, time_now
from vultus.gallery.events.log import EventLog
from vultus.gallery.gallery import Gallery
from vultus.server.galleries import Galleries
from vultus.server.webhooks.addresses import Network
from vultus.server.webhooks.hooks import Webhook, Webhooks
from vultus.server.webhooks.sending import Sent, send
from vultus.server.webhooks.signing import signed_headers

logger = logging.getLogger("vultus.server")

_POLL_S = 0.5
_SENDERS = 8
_AT_ONCE = 50
_NOTE_EVERY_S = 1.0
_LATER_S = 60.0
_LET_PASS = 1000
_ACTOR = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often, and for how long, a webhook that does not answer is tried.

    Attributes:
        first_s: After the first failure, in seconds; twice as long after each other one, give or
            take a half, so that many do not come at once.
        longest_s: At most.
        give_up_s: After failing for so long a webhook is disabled.
        timeout_s: Of one attempt.
    """

    first_s: float = 5.0
    longest_s: float = 3600.0
    give_up_s: float = 72 * 3600.0
    timeout_s: float = 10.0

    def wait_s(self, failures: int) -> float:
        """How long to wait after so many failures in a row, at least 1."""
        wait = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 40))
        return wait * random.uniform(0.5, 1.5)  # noqa: S311 - any will do


class Dispatcher:
    """Sends what happens in galleries to their webhooks.

    How far each came is noted in the gallery's log of events (`EventLog.set_checkpoint`), after
    the receiver took it: what was taken just before the service was killed is sent again, and
    nothing is left out. A message has one ``webhook-id`` however often it is sent.

    Args:
        hooks: The webhooks.
        galleries: The galleries.
        networks: Networks that are not public and allowed.
        patience: With receivers.
    """

    def __init__(
        self,
        hooks: Webhooks,
        galleries: Galleries,
        *,
        networks: Sequence[Network] = (),
        patience: Patience | None = None,
    ) -> None:
        self._hooks, self._galleries, self._networks = hooks, galleries, tuple(networks)
        self.patience = Patience() if patience is None else patience
        self._busy: set[str] = set()
        self._passed: dict[str, int] = {}
        self._later: dict[str, float] = {}
        self._end = threading.Event()
        self._senders: ThreadPoolExecutor | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send."""
        self._senders = ThreadPoolExecutor(_SENDERS, thread_name_prefix="vultus-webhook")
        self._thread = threading.Thread(target=self._run, name="vultus-webhooks", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send no more; what is under way is waited for."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()
        if self._senders is not None:
            self._senders.shutdown()

    def begin(self, gallery: Gallery, hook: Webhook) -> None:
        """Let a new webhook be told what happens from now on; one that was begun goes on."""
        log = EventLog(gallery)
        with log.transaction():
            if log.checkpoint(_source(hook)) is None:
                log.set_checkpoint(_source(hook), {"position": log.position()})

    def forget(self, gallery: Gallery, hook: Webhook) -> None:
        """Forget how far one came that was deleted."""
        self._passed.pop(hook.id, None)
        self._hooks.release(hook)
        EventLog(gallery).set_checkpoint(_source(hook), None)

    def test(self, gallery: Gallery, hook: Webhook) -> Sent:
        """Send a message of the type ``test`` now, once."""
        body = {"type": "test", "timestamp": time_now(), "data": {"gallery": hook.gallery}}
        message = f"test_{hook.id}_{time.time_ns()}"
        return self._post(gallery, hook, (message, "test"), body)

    def _run(self) -> None:
        while not self._end.wait(_POLL_S):
            try:
                self._round()
            except Exception as error:  # noqa: BLE001 - the thread must live; it is tried again
                logger.error("webhooks cannot be sent: %s", type(error).__name__)

    def _round(self) -> None:
        assert self._senders is not None  # noqa: S101 - as `start` made it
        for hook in self._hooks.active():
            # One process sends to it; another one does when that one is gone.
            if not (self._galleries.serves(hook.gallery) and self._hooks.hold(hook)):
                continue
            due_at = max(hook.due_at, self._later.get(hook.id, 0.0))
            if hook.id not in self._busy and due_at <= time.time():
                self._busy.add(hook.id)
                self._senders.submit(self._deliver_safely, hook)

    def _deliver_safely(self, hook: Webhook) -> None:
        try:
            self._deliver(hook)
        except Exception as error:  # noqa: BLE001 - one webhook must not end the others
            # Its gallery is not served any more, or cannot be read: not asked twice a second.
            self._later[hook.id] = time.time() + _LATER_S
            logger.error("a webhook cannot be sent to: %s", type(error).__name__)
        finally:
            self._busy.discard(hook.id)

    def _deliver(self, hook: Webhook) -> None:
        """Send what is due, up to a handful."""
        gallery = self._galleries.get(hook.gallery, actor=_ACTOR)
        log = EventLog(gallery)
        if hook.id in self._passed and log.position() <= self._passed[hook.id]:
            return
        kept = log.checkpoint(_source(hook))
        if kept is None:  # the service ended while it was made
            self.begin(gallery, hook)
            return
        noted = int(kept["position"])
        after, unnoted, when = max(noted, self._passed.get(hook.id, 0)), False, time.monotonic()
        for event in log.read(after=after, limit=_AT_ONCE):
            if self._end.is_set() or not self._hooks.hold(hook):
                break
            if hook.types is None or event.type in hook.types:
                if not self._told(gallery, hook, event):
                    break
                hook, unnoted = self._hooks.get(hook.gallery, hook.id), True
            after = event.position
            # A change of the gallery takes its time: not one for every event, if many come.
            if unnoted and time.monotonic() - when > _NOTE_EVERY_S:
                self._note(log, hook, after)
                unnoted, when = False, time.monotonic()
        if unnoted or after - noted > _LET_PASS:
            self._note(log, hook, after)
        self._passed[hook.id] = after

    def _note(self, log: EventLog, hook: Webhook, position: int) -> None:
        self._hooks.get(hook.gallery, hook.id)  # one that was deleted leaves no note
        log.set_checkpoint(_source(hook), {"position": position})

    def _told(self, gallery: Gallery, hook: Webhook, event: Event) -> bool:
        """Send an event; False if it must be sent again."""
        message = f"{hook.gallery}_{event.position}", event.type
        sent = self._post(gallery, hook, message, _message(hook, event))
        if sent.error is None:
            self._hooks.succeeded(hook)
            return True
        wait_s = self.patience.wait_s(hook.failures + 1)
        if sent.wait_s is not None and sent.status in (429, 503):
            wait_s = max(wait_s, sent.wait_s)
        since = time.time() if hook.failing_since is None else hook.failing_since
        disabled = None
        if sent.status == 410:
            disabled = "the receiver answered that it is gone"
        elif time.time() - since > self.patience.give_up_s:
            disabled = "it failed for too long"
        self._hooks.failed(hook, due_at=time.time() + wait_s, disabled=disabled)
        return False

    def _post(
        self, gallery: Gallery, hook: Webhook, message: tuple[str, str], body: dict[str, Any]
    ) -> Sent:
        data = json.dumps(body, separators=(",", ":")).encode()
        headers = signed_headers(
            message[0],
            data,
            at=int(time.time()),
            secrets_text=self._hooks.secrets(gallery, hook),
        )
        sent = send(
            self._hooks.url(gallery, hook),
            data,
            {"Content-Type": "application/json", "User-Agent": "vultus", **headers},
            networks=self._networks,
            timeout_s=self.patience.timeout_s,
        )
        self._hooks.note(hook, message, sent)
        return sent


def _source(hook: Webhook) -> str:
    return f"webhook {hook.id}"


def _message(hook: Webhook, event: Event) -> dict[str, Any]:
    """What is sent: neither the id that the writer chose, which may name somebody, nor a name."""
    data: dict[str, Any] = {
        "gallery": hook.gallery,
        "position": event.position,
        "source": event.source,
        "person": event.person,
        "data": dict(event.data),
    }
    if hook.names:
        data["name"] = event.identity
    return {"type": event.type, "timestamp": event.at, "data": data}
