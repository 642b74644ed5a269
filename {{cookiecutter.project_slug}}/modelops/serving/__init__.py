"""The service: one process that watches a store and answers with what the pointer names."""
