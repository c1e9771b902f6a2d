"""What every store has in common: incidents, series, answers; two stores as one."""
