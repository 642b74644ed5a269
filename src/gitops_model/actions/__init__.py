"""The jobs of the GitHub workflows."""
