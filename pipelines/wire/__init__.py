"""What the topics carry, and the versions of what is kept."""
