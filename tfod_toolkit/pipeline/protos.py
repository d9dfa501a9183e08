"""The type of protocol buffers: their classes are made at run time, unseen by type checkers."""

from typing import Any, TypeAlias

#: A message, such as a ``TrainEvalPipelineConfig``.
Proto: TypeAlias = Any
#: What describes a message, a field or an enumeration.
Descriptor: TypeAlias = Any
#: The value of a field.
Value: TypeAlias = Any
