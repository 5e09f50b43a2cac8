"""presets (follows)."""
