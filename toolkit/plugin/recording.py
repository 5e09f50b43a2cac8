"""recording (follows)."""
