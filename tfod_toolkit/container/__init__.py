"""What the image runs: the original's seven words, checked, brought together, and trained on."""
