"""Evaluation that is comparable with published results: metrics, protocol, scoring, figures, tables."""
