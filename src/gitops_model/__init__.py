"""Ship one machine-learning model from Git: judged against production, deployed by a merge, rolled back by a revert."""
