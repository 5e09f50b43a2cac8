"""isolation (follows)."""
