"""retries (follows)."""
