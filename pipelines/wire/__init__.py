"""What the topics carry and what is kept: the forms that leave a process, and their versions."""
