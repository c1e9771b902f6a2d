"""Storms of alerts with known causes: the generator, what a pager made of them, and Alertmanager's rules as rival."""
