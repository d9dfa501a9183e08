#!/usr/bin/env bash
# The original toolkit's way to train, with its seven positions; the last two are optional.
set -euo pipefail

if [ $# -lt 5 ] || [ $# -gt 7 ]; then
    {
        echo "error: train.sh takes 5 to 7 words, not $#"
        echo "hint: train.sh MODELS_DIR TRAINING_DIR EXPORT_DIR RECORDS \"ZOO MODEL\" [OVERRIDE] [HYPERPARAMETERS]"
    } >&2
    exit 2
fi

# Zoo models are kept in the first folder; an override or hyperparameters may be left empty.
export TFOD_ZOO_CACHE="$1"
words=(--training-dir "$2" --export-dir "$3" --records "$4" --model "$5")
[ -z "${6:-}" ] || words+=(--override "$6")
[ -z "${7:-}" ] || words+=(--hparams "$7")

here="$(cd "$(dirname "$0")/.." && pwd)"
if [ -x "$here/.venv/bin/tfod" ]; then
    exec "$here/.venv/bin/tfod" train "${words[@]}"
fi
exec tfod train "${words[@]}"
