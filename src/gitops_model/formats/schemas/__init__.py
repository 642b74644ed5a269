"""JSON Schemas (draft 2020-12) of the repository's YAML and JSON files."""
