"""From the prediction log to signals, with numpy and pyarrow and without training data."""
