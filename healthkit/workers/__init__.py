"""Heartbeats of worker libraries, one file each; importing one imports its library."""
