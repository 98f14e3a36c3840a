"""A store with very many monitors and a year of history, filled without living through it."""
