"""Scores: what a value costs, the tree that adds it up, and who lost which points."""
