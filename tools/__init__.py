"""Programs and helpers for working on this package that are no part of it."""
