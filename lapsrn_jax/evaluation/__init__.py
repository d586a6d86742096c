"""Scores that can be compared with published ones: metrics, protocol, scoring, figures, tables."""
