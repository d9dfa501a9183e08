"""Measurements of the toolkit beside what one would otherwise run: ratios from one session."""
