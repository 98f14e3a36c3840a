"""What the checker shows and receives over HTTP: the ping receiver, the dashboard, and the JSON API."""
