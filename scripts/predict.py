#!/usr/bin/env python3
"""Find objects in pictures, with the options that the original toolkit's predict.py had.

A thin door: ``tfod predict`` does the work and says what it found.
"""

from __future__ import annotations

import argparse
import sys

from tfod_toolkit.cli import main


def words(argv: list[str]) -> list[str]:
    """The words of ``tfod predict`` for those of this script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--model", required=True, metavar="DIR", help="exported model, or the saved_model in it"
    )
    parser.add_argument("--labels", metavar="FILE", help="label map (default: the model's own)")
    parser.add_argument(
        "--images",
        required=True,
        nargs="+",
        metavar="IMAGE",
        help="files, folders or patterns, separated by spaces or commas",
    )
    parser.add_argument("--output_dir", required=True, metavar="DIR", help="for the drawn copies")
    parser.add_argument(
        "--output_file_prefix", default="", metavar="TEXT", help="put before each copy's name"
    )
    parser.add_argument("--min_confidence", default="0.5", metavar="0..1")
    options = parser.parse_args(argv)
    found = [
        f"--out={options.output_dir}",
        f"--prefix={options.output_file_prefix}",
        f"--min-confidence={options.min_confidence}",
    ]
    found += [f"--labels={options.labels}"] if options.labels else []
    return ["predict", *found, "--", options.model, *options.images]


if __name__ == "__main__":
    main(words(sys.argv[1:]))
