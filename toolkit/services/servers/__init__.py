"""One file per kind of server: how the embedded runtime finds it, prepares it and starts it."""
