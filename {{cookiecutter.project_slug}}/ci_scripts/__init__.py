"""The commands people and workflows run: `python -m ci_scripts <command>`."""
