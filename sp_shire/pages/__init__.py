"""What the resource side itself shows."""
