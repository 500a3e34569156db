"""Personal data and secrets, found and masked."""
