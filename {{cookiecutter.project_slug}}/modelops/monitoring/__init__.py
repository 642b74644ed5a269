"""Watching a served model: reference profiles, drift, coverage, delayed accuracy."""
