"""The apps that `bench.endpoint` measures, and how they are served and called."""
