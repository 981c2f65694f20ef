"""Messages of several experiments at a time on the same units: displays to be credited, and the truth about them."""
