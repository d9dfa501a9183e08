"""The tunnel: a task's port on this machine, through Session Manager."""
