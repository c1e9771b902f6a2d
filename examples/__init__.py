"""Real online-learning jobs that Streamgauge watches."""
