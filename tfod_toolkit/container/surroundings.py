"""What a job stands on, looked at before minutes are spent: GPU, mounts, shared memory, port.

Nothing here imports TensorFlow.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

from tfod_toolkit.errors import (
    CannotWriteError,
    ConfigError,
    DeniedError,
    TfodError,
    UnavailableError,
    cannot_write,
)

#: Set by the image, to ``cpu`` or ``cuda``; empty outside of one.
IMAGE = "TFOD_ACCELERATOR"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 -- the device itself, not a file made there
#: Bytes of shared memory: docker gives 64 MiB, and NCCL's documentation asks for 1 GiB.
LEAST_SHARED, SHARED_OF_SEVERAL = 16 << 20, 1 << 30

_NO_DEVICE = 100
_GPU_HINT = (
    "check, in this order: `nvidia-smi` on the host (the driver, 525 or newer), the "
    "nvidia-container-toolkit there, and `docker run --gpus all`; to train on the CPU all the "
    f"same: -e {IMAGE}=cpu"
)


def image_of(environment: dict[str, str] | os._Environ[str] = os.environ) -> str:
    """What the image was built for, ``cpu`` or ``cuda``; empty where this is no image of ours."""
    return environment.get(IMAGE, "")


def gpu_count(load: Callable[[str], ctypes.CDLL] = ctypes.CDLL) -> int:
    """How many GPUs the driver has for this process; asks the driver, and nothing else.

    Raises:
        ConfigError: the driver is not there, or has none; says what to check.
    """
    try:
        driver = load("libcuda.so.1")
    except OSError:
        raise ConfigError(
            "this image trains on a GPU, and there is no NVIDIA driver in this container", _GPU_HINT
        ) from None
    count = ctypes.c_int(0)
    code = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if code == _NO_DEVICE or (not code and not count.value):
        raise ConfigError(
            "this image trains on a GPU, and the driver has none for this container", _GPU_HINT
        )
    if code:
        raise ConfigError(
            "this image trains on a GPU, and the NVIDIA driver does not work here "
            f"(CUDA error {code})",
            _GPU_HINT,
        )
    return count.value


def check_shared_memory(gpus: int, folder: Path = SHARED_MEMORY) -> None:
    """Refuse too little shared memory.

    Raises:
        ConfigError: with the size that is needed.
    """
    needed = SHARED_OF_SEVERAL if gpus > 1 else LEAST_SHARED
    if not folder.is_dir():  # not Linux
        return
    free = shutil.disk_usage(folder).free
    if free < needed:
        what = f"{gpus} GPUs exchange gradients through it" if gpus > 1 else "it is needed"
        raise ConfigError(
            f"{folder} has {free >> 20} MiB free of the {needed >> 20} that training takes: {what}",
            "docker run --shm-size=2g (shm_size in a compose file)",
        )


def check_scratch() -> None:
    """Refuse a machine without a place for temporary files: TensorFlow writes some.

    Raises:
        CannotWriteError: there is none.
    """
    folder = Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 -- only looked at
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
    except OSError as error:
        raise CannotWriteError(
            f"there is no place for temporary files: {folder}: {error.strerror}",
            "on a read-only root: docker run --tmpfs /tmp, or a volume there",
        ) from error


def check_writable(folder: Path, *, mounted: bool = False) -> None:
    """Make a folder, where it is not there, and write into it.

    Args:
        folder: where something is to be written.
        mounted: whether it must outlast the container it is seen from.

    Raises:
        CannotWriteError: it cannot be made or written, or lies in the container's own layer.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".tfod-") as file:
            file.write(b"\n")
            file.flush()
    except OSError as error:
        raise _refused(folder, error) from error
    if mounted and folder.stat().st_dev == Path("/").stat().st_dev:
        raise CannotWriteError(
            f"{folder} is not mounted: what is written there would be gone with the container",
            f"docker run -v $PWD/experiments:{_nearest(folder)}",
        )


def check_readable(place: Path) -> None:
    """Refuse a folder or a file that is there and may not be read.

    Raises:
        DeniedError: it may not.
    """
    try:
        if place.is_dir():
            list(place.iterdir())
            (place / "..").stat()  # to list is one permission, to reach what is listed another
        elif place.is_file():
            place.open("rb").close()
    except PermissionError as error:
        raise DeniedError(f"{place} may not be read{_whose(place)}", _user_hint()) from error
    except OSError:
        return  # what is missing is said by who reads it


def check_port(host: str, port: int) -> None:
    """Refuse a port that something else listens on.

    Raises:
        UnavailableError: it is in use, or the address is not this machine's.
        DeniedError: it needs privileges.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise _no_port(f"{host}:{port}", error) from error


def _no_port(place: str, error: OSError) -> TfodError:
    other = "another --tensorboard-port (TFOD_TENSORBOARD_PORT); 0: no TensorBoard"
    if error.errno == errno.EADDRINUSE:
        return UnavailableError(f"TensorBoard's port {place} is in use", f"choose {other}")
    if error.errno == errno.EACCES:
        return DeniedError(f"TensorBoard's port {place} needs privileges", f"choose {other}")
    return UnavailableError(
        f"TensorBoard cannot listen on {place}: {error.strerror or error}",
        f"choose another --tensorboard-host, or {other}",
    )


def _refused(folder: Path, error: OSError) -> CannotWriteError:
    if error.errno == errno.EROFS:
        return CannotWriteError(
            f"cannot write {folder}: its file system is read-only",
            f"mount a folder there, and not with :ro: docker run -v $PWD/experiments:"
            f"{_nearest(folder)}",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return CannotWriteError(
            f"cannot write {folder}: {error.strerror}{_whose(folder)}", _user_hint()
        )
    return cannot_write(folder, error)


def _whose(path: Path) -> str:
    """Who owns a file or folder, or the nearest folder above that can be seen, and who asks."""
    for place in (path, *path.parents):
        try:
            owner = place.stat().st_uid
        except OSError:
            continue
        return f" ({place} belongs to user {owner}, and this is user {os.geteuid()})"
    return ""


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above that is there."""
    for place in (folder, *folder.parents):
        try:
            if place.is_dir():
                return place
        except OSError:
            continue
    return folder


def _user_hint() -> str:
    return (
        "make the folder before docker does, and run as its owner: docker run --user "
        "$(id -u):$(id -g); with rootless podman: PODMAN_USERNS=keep-id beside it"
    )
