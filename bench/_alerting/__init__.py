"""What the measurements of deadlines and alerts share: a full store, a real checker, a receiver."""
