"""The profiler on files of rows: what their columns hold, and how two files differ."""
