#!/usr/bin/env bash
# The original toolkit's way to train in the cloud, with its five positions; the last two are optional.
set -euo pipefail

if [ $# -lt 3 ] || [ $# -gt 5 ]; then
    {
        echo "error: runtask.sh takes 3 to 5 words, not $#"
        echo "hint: runtask.sh CONFIGS_JSON RECORDS \"ZOO MODEL\" [OVERRIDE] [HYPERPARAMETERS]"
    } >&2
    exit 2
fi

here="$(cd "$(dirname "$0")/.." && pwd)"
if [ -x "$here/.venv/bin/tfod" ]; then
    exec "$here/.venv/bin/tfod" runtask "$@"
fi
exec tfod runtask "$@"
