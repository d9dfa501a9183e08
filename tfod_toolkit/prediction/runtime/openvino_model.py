"""A model that OpenVINO runs, behaving like an exported model that TensorFlow runs."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tfod_toolkit.prediction.runtime.processors import usable_processors
from tfod_toolkit.prediction.runtime.signal_stack import keep_signal_stack
from tfod_toolkit.prediction.runtime.suppression import Suppression

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Images: TypeAlias = NDArray[np.uint8]
    Arrays: TypeAlias = dict[str, NDArray[np.float32]]

#: Pictures of one size after which a graph is compiled for just that size, and how many such
#: graphs are kept: it runs 1.4 times as fast, and compiling takes as long as some 40 pictures.
_OFTEN, _KEPT = 16, 4
#: Pixels of a picture for which a graph of any size needs gigabytes, and keeps them: 40 bytes a
#: pixel, once for each processor. A graph for just that size, all processors on one picture, needs
#: less and takes less time even with its compilation; it goes with the next picture of another.
_LARGE = 4_000_000


class OpenVinoModel:
    """A converted model; call it with pictures.

    Every picture is a request of its own: as many run at once as there are processors, each in one
    thread, which is faster than batches are. Everything is computed in float32: in bfloat16, which
    OpenVINO prefers where the processor has it, boxes move by pixels.

    Args:
        graph: an ``openvino.Model``, or the file of one.
        outputs: TFOD's names of its outputs, in order.
        suppression: what is done with them; ``None``: they are detections already.
        floor: detections less sure than this may be left out.
    """

    def __init__(
        self,
        graph: Any,
        outputs: Sequence[str],
        suppression: Suppression | None,
        floor: float = 0.0,
    ) -> None:
        import openvino

        self._core = openvino.Core()
        self._graph = self._core.read_model(graph) if isinstance(graph, Path) else graph
        self._outputs = tuple(outputs)
        self._suppression = suppression
        self._floor = floor
        self._dtype = self._graph.inputs[0].element_type.to_dtype()
        self._seen: Counter[tuple[int, int]] = Counter()
        self._of_size: OrderedDict[tuple[int, int], list[Any]] = OrderedDict()
        self._of_large: tuple[tuple[int, int], list[Any]] | None = None
        self._of_any_size = self._requests(self._graph, usable_processors())

    def __call__(self, images: Images) -> Arrays:
        """Detect objects in pictures of one size.

        Args:
            images: uint8[N, H, W, 3], RGB.

        Returns:
            ``detection_boxes``, ``detection_classes``, ``detection_scores``, ``num_detections`` and
            what else the model gives, as of
            :meth:`tfod_toolkit.export.serving.ServingModel.detect`; padded with zeros.
        """
        height, width = images.shape[1:3]
        return padded([self._detections(raw, (height, width)) for raw in self._run(images)])

    def _run(self, images: Images) -> Iterator[list[NDArray[np.float32]]]:
        """The outputs of each picture, in order, while the next ones are computed."""
        free = deque(self._requests_for(images.shape[1:3], len(images)))
        busy: deque[Any] = deque()
        rest = iter(images.astype(self._dtype, copy=False))
        for image in rest:
            request = free.popleft()
            request.start_async([image[None]])
            busy.append(request)
            if not free:
                yield self._finished(busy, free)
        while busy:
            yield self._finished(busy, free)

    def _finished(self, busy: deque[Any], free: deque[Any]) -> list[NDArray[np.float32]]:
        import numpy as np

        request = busy.popleft()
        request.wait()
        values = [np.array(output.data, np.float32) for output in request.output_tensors]
        free.append(request)
        return values

    def _detections(self, raw: list[NDArray[np.float32]], size: tuple[int, int]) -> Arrays:
        import numpy as np

        values = dict(zip(self._outputs, (value[0] for value in raw), strict=True))
        if self._suppression is None:
            return values
        scores = values["raw_detection_scores"][:, 1:]
        boxes, classes, kept = self._suppression(
            values["raw_detection_boxes"], scores, size, self._floor
        )
        return {
            "detection_boxes": boxes,
            "detection_classes": classes,
            "detection_scores": kept,
            "num_detections": np.array(len(kept), np.float32),
        }

    def _requests_for(self, size: tuple[int, ...], count: int) -> list[Any]:
        key = (size[0], size[1])
        if self._of_large is not None and self._of_large[0] != key:
            self._of_large = None
        if size[0] * size[1] > _LARGE:
            self._of_large = self._of_large or (key, self._requests(self._reshaped(key), 1))
            return self._of_large[1]
        if key in self._of_size:
            self._of_size.move_to_end(key)
            return self._of_size[key]
        self._seen[key] += count
        if self._seen[key] < _OFTEN:
            return self._of_any_size
        self._of_size[key] = self._requests(self._reshaped(key), usable_processors())
        self._seen.clear()
        if len(self._of_size) > _KEPT:
            self._of_size.popitem(last=False)
        return self._of_size[key]

    def _reshaped(self, size: tuple[int, int]) -> Any:
        graph = self._graph.clone()
        graph.reshape([1, *size, 3])
        return graph

    def _requests(self, graph: Any, streams: int) -> list[Any]:
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": usable_processors(),
        }
        with keep_signal_stack():
            compiled = self._core.compile_model(graph, "CPU", settings)
        return [compiled.create_infer_request() for _ in range(streams)]


def padded(found: Sequence[Arrays]) -> Arrays:
    """The detections of pictures as arrays of one shape, filled up with zeros."""
    import numpy as np

    def stacked(values: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        longest = max((len(value) for value in values if value.ndim), default=0)
        return np.stack(
            [
                np.pad(value, [(0, longest - len(value)), *[(0, 0)] * (value.ndim - 1)])
                if value.ndim
                else value
                for value in values
            ]
        )

    return {name: stacked([one[name] for one in found]) for name in found[0]}
