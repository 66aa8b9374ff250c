"""How a run reaches people and machines: the command line, sessions, jobs."""
