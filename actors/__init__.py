"""The coordinator, the executors and the workers: what runs where, and when."""
