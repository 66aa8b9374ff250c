"""Plan geometry, recipes, samplers, blending, conditioning, backbones: plain functions and frozen values."""
