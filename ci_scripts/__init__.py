"""What the Makefile runs: the demo story, the bakes, benchmarks, mutations."""
