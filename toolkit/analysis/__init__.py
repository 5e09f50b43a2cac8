"""What the history means: pure functions over what was recorded, each formula with its source."""
