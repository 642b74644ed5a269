"""The stages that build the model: prepare, train, evaluate, package."""
