"""Every channel against a real local server."""
