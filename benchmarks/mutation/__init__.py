"""Small faults put into the product one at a time, to see which the tests notice: see benchmarks/mutants.py."""
