"""The same promises, kept by every adapter: real brokers, real workers."""
