"""What Prometheus is told."""

from __future__ import annotations

from typing import Any


class Measures:
    """Counters of one service."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        place: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter(
            "tfod_requests", "Answers by path and status", ["path", "status"], **place
        )
        self.detections = Counter(
            "tfod_detections", "Detections sent, by class", ["class_name"], **place
        )
        self.seconds = Histogram("tfod_detect_seconds", "From request to answer", **place)
        self.batch = Histogram(
            "tfod_batch_pictures", "Pictures of a batch", buckets=(1, 2, 3, 4, 6, 8), **place
        )
        self.waiting = Gauge("tfod_waiting_requests", "Requests in work or waiting", **place)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)
