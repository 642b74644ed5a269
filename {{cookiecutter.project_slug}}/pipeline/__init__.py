"""YOURS: where the data comes from, which features it has, how the model is trained."""
