"""Ready-made checks, one module per technology; each needs its library only when it is imported."""
