"""See runtime."""
