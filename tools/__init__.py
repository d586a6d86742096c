"""Programs and helpers for developing this package. They are not part of it."""
