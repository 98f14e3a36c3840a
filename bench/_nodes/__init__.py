"""Parts of `bench.nodes`: a cluster, its faults and its cost."""
