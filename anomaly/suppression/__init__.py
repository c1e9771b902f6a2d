"""From an alert storm to one page: topology, episodes, the visible list of stages."""
