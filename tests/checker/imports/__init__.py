"""Other products' configurations, read as ours."""
