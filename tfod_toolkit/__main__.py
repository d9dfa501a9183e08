"""``python -m tfod_toolkit`` is ``tfod``."""

from tfod_toolkit.cli import main

main()
