"""The formats: contract, bundle, pointer, release record, gates. Each is read, written and checked in one module."""
