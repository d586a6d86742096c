"""Scores that can be compared with published ones: metrics, protocol, benchmark runs, tables."""
