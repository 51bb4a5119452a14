"""What an operator sees of monitors in Prometheus: each by its id, which names nobody."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from vultus.server.monitors.monitors import Monitors

_STATES = ("starting", "running", "reconnecting", "failed", "finished", "stopping", "stopped")


class MonitorMeasures(Collector):
    """The monitors that were started since the service began.

    Args:
        monitors: All of them.
    """

    def __init__(self, monitors: Monitors) -> None:
        self._monitors = monitors

    def describe(self) -> list[Metric]:
        """Nothing is worked out to register it."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Frames, events and states."""
        by = ["monitor"]
        counters = {
            "frames": CounterMetricFamily("vultus_monitor_frames", "Frames looked at.", labels=by),
            "dropped": CounterMetricFamily(
                "vultus_monitor_dropped", "Frames passed over for newer ones.", labels=by
            ),
            "reconnects": CounterMetricFamily(
                "vultus_monitor_reconnects", "Connections that were sought again.", labels=by
            ),
            "failures": CounterMetricFamily(
                "vultus_monitor_failures", "How often watching failed as a whole.", labels=by
            ),
        }
        events = CounterMetricFamily(
            "vultus_monitor_events", "Events written, by type.", labels=[*by, "type"]
        )
        fps = GaugeMetricFamily(
            "vultus_monitor_fps", "Frames looked at a second, over 5 s.", labels=by
        )
        state = GaugeMetricFamily(
            "vultus_monitor_state", "1 for the state that it is in.", labels=[*by, "state"]
        )
        for one in self._monitors.all_at_work():
            name, totals = one.monitor.id, one.totals
            told = {
                "frames": totals.frames,
                "dropped": totals.dropped,
                "reconnects": one.reconnects,
                "failures": totals.failures,
            }
            for what, count in told.items():
                counters[what].add_metric([name], count)
            for kind, count in sorted(totals.events.copy().items()):
                events.add_metric([name, kind], count)
            fps.add_metric([name], one.sights.fps())
            for which in _STATES:
                state.add_metric([name, which], float(one.state.name == which))
        yield from (*counters.values(), events, fps, state)
