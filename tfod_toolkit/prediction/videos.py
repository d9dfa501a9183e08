"""Videos, cameras and streams: frames in, a drawn video out."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tfod_toolkit.errors import CannotWriteError, TfodError, writing
from tfod_toolkit.prediction.pictures import Picture, Unreadable
from tfod_toolkit.prediction.remote import shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: What a folder's files are taken for videos by.
VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm"})
#: Milliseconds after which a source that sends nothing is given up.
PATIENCE = 10_000
#: Bytes: a disk with less is full, as far as videos go.
_LEAST_SPACE = 1 << 16
_CAMERA = re.compile(r"camera:(\d{1,6})")
_STREAM = re.compile(r"(rtsps?|rtmp|https?|udp)://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Video:
    """Something that gives frames.

    Attributes:
        name: as the user named it: a file, ``camera:0`` or an address.
        limit: frames that are taken at most; ``None``: all.
        patience: milliseconds after which a stream that sends nothing is given up.
        download: brings a video of a store to a file; ``None``: it is here.
    """

    name: str
    limit: int | None = None
    patience: int = PATIENCE
    download: Callable[[str, Path], None] | None = field(default=None, compare=False, repr=False)

    @property
    def live(self) -> bool:
        """Whether it ends only when its source or its user ends it."""
        return bool(_CAMERA.fullmatch(self.name) or _STREAM.match(self.name))

    @property
    def shown(self) -> str:
        """Its name without the password of an address."""
        return re.sub(r"//[^/@]*@", "//***@", self.name)

    @property
    def path(self) -> Path:
        """A name for results and files: that of the file, or one made of the address."""
        if not self.live:
            return Path(self.name)
        plain = re.sub(r"//[^/@]*@", "//", self.name)  # never a password in a file's name
        return Path(re.sub(r"[^\w-]+", "-", plain).strip("-"))


def as_video(word: str, limit: int | None = None) -> Video | None:
    """The video that a word names, if it names one."""
    video = Video(word, limit)
    return video if video.live or Path(word).suffix.lower() in VIDEO_SUFFIXES else None


def frames(video: Video) -> Iterator[Picture | Unreadable]:
    """The frames of a video, in order; last, why it ended where it should not have."""
    path = video.path
    if video.download:
        with TemporaryDirectory(prefix="tfod-") as folder:
            here = Path(folder) / path.name
            try:
                video.download(video.name, here)
            except TfodError as error:
                yield Unreadable(path, error.message)
                return
            yield from _frames(video, str(here))
    elif not video.live and not path.is_file():
        yield Unreadable(path, f"{path} is not there")
    else:
        yield from _frames(video, video.name)


def _frames(video: Video, place: str) -> Iterator[Picture | Unreadable]:
    import cv2

    path = video.path
    capture = _opened(place, video.patience)
    try:
        if not capture.isOpened():
            yield Unreadable(path, _why_closed(video))
            return
        rate = 25.0 if video.live else _frame_rate(capture)
        expected = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        count = 0
        while video.limit is None or count < video.limit:
            good, frame = capture.read()
            if not good:
                break
            image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            yield Picture(path, image, None, frame=count, second=count / rate, rate=rate)
            count += 1
        else:
            return
        if video.live:
            yield Unreadable(path, f"{video.shown} stopped sending after {count} frames")
        elif count == 0 or count < 0.98 * expected - 1:  # containers round their counts
            yield Unreadable(
                path,
                f"{shown(path)} ends in the middle: {count} of {expected:.0f} frames can be read",
            )
    finally:
        capture.release()


def _frame_rate(capture: Any) -> float:
    """Frames a second of a video file; 25 where it does not say."""
    import cv2

    rate = float(capture.get(cv2.CAP_PROP_FPS))
    return rate if 0 < rate <= 240 else 25.0


class DrawnVideo:
    """Writes frames as a video (MP4), whole or not at all.

    Args:
        path: the file.
        rate: frames a second.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path = path
        self._rate = rate
        self._beside = path.with_name(f".new.{path.name}")
        self._writer: Any = None
        self._size = (0, 0)
        self._count = 0

    def write(self, image: NDArray[np.uint8]) -> None:
        """Append a frame, uint8[H, W, 3], RGB; one of another size is fitted to the first's.

        Raises:
            CannotWriteError: it cannot be written.
        """
        import cv2

        _quieten()
        if self._writer is None:
            self._size = (image.shape[1], image.shape[0])
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._beside), code, self._rate, self._size)
            if not self._writer.isOpened():
                raise CannotWriteError(f"cannot write {self.path}", "choose another folder")
        frame = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        if (frame.shape[1], frame.shape[0]) != self._size:
            frame = cv2.resize(frame, self._size)
        self._writer.write(frame)
        self._count += 1
        with writing(self.path):
            _check_space(self._beside)

    def close(self) -> None:
        """Finish the file; nothing is left where there was no frame, or where it is not whole.

        Raises:
            CannotWriteError: the disk is full, for instance.
        """
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        with writing(self.path):
            try:
                _check_space(self._beside)
                if not _has_frames(self._beside, self._count):
                    raise OSError("it is not whole")
                self._beside.replace(self.path)
            finally:
                self._beside.unlink(missing_ok=True)


def _check_space(path: Path) -> None:
    """Raise where the disk is full: OpenCV's writer goes on without a word."""
    disk = os.statvfs(path.parent)
    if disk.f_blocks and disk.f_bfree * disk.f_frsize < _LEAST_SPACE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _has_frames(path: Path, count: int) -> bool:
    """Whether a video has that many frames, by its own index (which is written last)."""
    import cv2

    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    found = capture.get(cv2.CAP_PROP_FRAME_COUNT) if capture.isOpened() else -1
    capture.release()
    return bool(found >= 0.98 * count - 1)


def _quieten() -> None:
    """Keep back what OpenCV and FFmpeg say of files and cameras: errors here say it in words."""
    import cv2

    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    if "OPENCV_LOG_LEVEL" not in os.environ:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def _opened(place: str, patience: int) -> Any:
    import cv2

    _quieten()
    camera = _CAMERA.fullmatch(place)
    if camera:
        return cv2.VideoCapture(int(camera[1]))
    timeouts = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        patience,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        patience,
    ]
    return cv2.VideoCapture(place, cv2.CAP_FFMPEG, timeouts)


def _why_closed(video: Video) -> str:
    if not video.live:
        return f"{shown(video.path)} is not a video that can be read, or its end is missing"
    if _CAMERA.fullmatch(video.name):
        return f"there is no {video.name}, or another program has it"
    return f"{video.shown} does not answer, or sends no video"
