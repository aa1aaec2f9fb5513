"""What the system is: frozen values and rules. No I/O, no clock, no library."""
