"""The Flink engine: operators as one keyed function, on a MiniCluster or a cluster."""
