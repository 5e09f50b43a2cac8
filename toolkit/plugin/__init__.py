"""Front door: pytest."""
