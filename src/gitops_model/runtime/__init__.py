"""A bundle as a model that answers: scores, and the answers callers get from them."""
