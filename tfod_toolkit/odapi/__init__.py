"""TFOD on current TensorFlow: the only room that imports ``object_detection``.

Importing this package chooses Keras 2 and puts the repairs in wait (as import hooks: nothing heavy
is loaded), and must come before TensorFlow resolves Keras. Then use :mod:`.protos` (protobuf only),
:mod:`.api` (TensorFlow and TFOD), :mod:`.tracing` and :mod:`.seeding`.
"""

from tfod_toolkit.odapi import environment, repairs

environment.prepare()
repairs.install()
