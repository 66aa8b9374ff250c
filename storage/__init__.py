"""Addresses and bytes: the run store, image readers and image writers."""
