"""Runs: their folders and manifests, and the chain from a config to an exported model."""
