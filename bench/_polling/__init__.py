"""The parts of `bench.polling`: the target, and what polls it; each a process of its own."""
