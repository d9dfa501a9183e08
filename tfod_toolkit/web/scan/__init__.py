"""``tfod scan``: a camera watched live, with a log, rules, and frames kept for labelling."""
