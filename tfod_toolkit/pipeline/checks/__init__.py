"""The checks of a config, by subject."""
