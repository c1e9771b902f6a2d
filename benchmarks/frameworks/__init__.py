"""The same click model in each framework, alone and traced: `arms()` gives steps by arm, and tracers."""
