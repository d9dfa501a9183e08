"""Keeps a folder of checkpoints in S3 while a training runs, and restores it elsewhere."""
