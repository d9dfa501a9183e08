"""TFOD on current TensorFlow: the only room that imports ``object_detection``.

Importing this package installs the repairs (as import hooks: nothing heavy is loaded) and must
come before TensorFlow loads Keras. Then use :mod:`.protos` (no TensorFlow) and :mod:`.api`.
"""

from tfod_toolkit.odapi.repairs import install

install()
