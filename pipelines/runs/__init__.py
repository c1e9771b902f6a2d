"""A job's runs: the history of its lives with what each ran with, and two of them beside each other."""
