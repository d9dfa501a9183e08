"""What is installed, what runs, and what to do about each thing that does not.

::

    for finding in examine():
        print(finding.part, finding.state, finding.text, finding.remedy)

Everything that may hang or crash (TensorFlow, docker, terraform, credentials) is asked in a process
of its own, all at once and within a time limit.
"""

from tfod_toolkit.doctor.examination import can_train, examine
from tfod_toolkit.doctor.findings import Finding, State

__all__ = ["Finding", "State", "can_train", "examine"]
