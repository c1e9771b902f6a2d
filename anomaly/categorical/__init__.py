"""Detection on categorical streams: which values of a feature come more or less often than is usual."""
