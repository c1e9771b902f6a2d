"""HTTP: the JSON surface, the stream of events, `/metrics`, the files of the live page."""
