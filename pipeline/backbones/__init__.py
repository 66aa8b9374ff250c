"""Adapters from model families to the one backbone protocol."""
