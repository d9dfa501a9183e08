#!/usr/bin/env bash
# The original toolkit's way to train, with its seven positions; the last two are optional.
set -euo pipefail

here="$(cd "$(dirname "$0")/.." && pwd)"
tfod="$here/.venv/bin/tfod"
[ -x "$tfod" ] || tfod=tfod
# As the image does it, but for TensorBoard: TFOD_TENSORBOARD_PORT=6006 starts it here too.
TFOD_TENSORBOARD_PORT="${TFOD_TENSORBOARD_PORT:-0}" exec "$tfod" container "$@"
