"""Taggers other than a model's own: what transformers has for naming what is in a picture."""
