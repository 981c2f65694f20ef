"""What runs by itself: sensors, schedules, and the requests they make. Nothing is computed here."""
