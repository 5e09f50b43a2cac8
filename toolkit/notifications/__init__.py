"""Telling others, by whatever service they read: chat, mail, webhook (Apprise)."""
