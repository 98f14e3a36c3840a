"""What `python -m bench.ingest` and `python -m bench.http_servers` are made of: callers and servers."""
