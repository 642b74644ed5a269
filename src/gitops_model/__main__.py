"""`python -P -m gitops_model`: how one command starts another with its own interpreter. People type `gitops-model`."""

import sys

from gitops_model.cli import main

sys.exit(main())
