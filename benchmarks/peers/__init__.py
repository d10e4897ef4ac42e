"""Other durable engines, each doing the same work on the same machine in the same run.

They are installed by ``python -m benchmarks.peers install`` into a folder of their own, never into
the project's environment. One that is not installed is left out by name.
"""
