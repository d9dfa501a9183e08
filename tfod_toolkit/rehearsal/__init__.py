"""A run in the cloud from end to end on this machine: an AWS that is none, real containers."""
