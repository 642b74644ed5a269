"""The commands that move a model: check, release, ship, deploy, rollback, status."""
