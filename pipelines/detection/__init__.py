"""Detection: one kind of window watched, its series' traits, its episodes."""
