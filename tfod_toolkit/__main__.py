"""``python -m tfod_toolkit`` is ``tfod``."""

import sys

try:
    from tfod_toolkit.cli import main

    main()
except ModuleNotFoundError as error:
    # Started with a Python that has none of what the toolkit needs.
    if error.name is None or error.name.startswith("tfod_toolkit"):
        raise
    sys.stderr.write(f"error: {error.name} is not installed for {sys.executable}\n")
    sys.stderr.write("hint: make setup && . .venv/bin/activate, then tfod\n")
    sys.exit(78)
