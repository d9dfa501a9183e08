"""Checkpoint to exported model: what prediction needs, and TensorFlow alone can run."""
