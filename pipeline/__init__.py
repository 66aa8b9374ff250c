"""Plan geometry, recipes, samplers, blending, conditioning, models: plain functions and frozen values."""
