"""Sessions of this repository."""
