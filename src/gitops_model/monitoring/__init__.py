"""What watches the service from outside."""
