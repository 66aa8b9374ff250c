"""Groups of tiles that take different numbers of steps, on one grid of timesteps."""

from __future__ import annotations

LEAST_GROUP_STEPS = 3
"""three groups of different numbers of steps need so many"""
LEAST_DEFAULT_STEPS = 4
"""and where nobody says how many, there are at least so many"""


def default_group_steps(steps: int) -> tuple[int, int, int]:
    """A quarter, a half and all of ``steps``, at least one apart. Raises ValueError for fewer than three.

    >>> [default_group_steps(steps) for steps in (3, 4, 30)]
    [(1, 2, 3), (1, 2, 4), (8, 15, 30)]
    """
    _check_enough(steps)
    medium = min(max(2, (steps + 1) // 2), steps - 1)
    return min(max(1, (steps + 2) // 4), medium - 1), medium, steps


def paper_group_steps(steps: int, times: tuple[float, float, float]) -> tuple[int, int, int]:
    """Steps in proportion to the groups' times, as in PatchScaler (8, 14 and 20 for 400, 700 and 1000): an even grid.

    Raises ValueError for fewer than three.

    >>> [paper_group_steps(steps, (400.0, 700.0, 1000.0)) for steps in (20, 4)]
    [(8, 14, 20), (2, 3, 4)]
    """
    _check_enough(steps)
    simple, medium = (round(steps * time / times[2]) for time in times[:2])
    medium = min(max(2, medium), steps - 1)
    return min(max(1, simple), medium - 1), medium, steps


def _check_enough(steps: int) -> None:
    if steps < LEAST_GROUP_STEPS:
        raise ValueError(
            f"recipe: three groups of tiles need at least {LEAST_GROUP_STEPS} steps, got {steps}: raise steps"
        )


def _shares(counts: tuple[int, int, int]) -> tuple[int, int, int]:
    """Steps that only the hard tiles take come last: N1, N2 - N1, N3 - N2."""
    return counts[0], counts[1] - counts[0], counts[2] - counts[1]


def group_grid(times: tuple[float, float, float], counts: tuple[int, int, int]) -> tuple[int, ...]:
    """One falling grid of timesteps, below 1000, on which groups that begin at ``times`` take ``counts`` steps.

    The steps of each group lie evenly between its time and that of the group before, so every group's own first step
    is its time (PatchScaler, arXiv 2405.17158, section 3.2, on one grid).

    >>> group_grid((400.0, 700.0, 1000.0), (1, 2, 4))
    (999, 849, 699, 399)
    """
    grid: list[int] = []
    for top, low, share in zip(times, (0.0, *times), _shares(counts), strict=False):
        grid += [round(top - k * (top - low) / share) - 1 for k in range(share)]
    return tuple(sorted(grid, reverse=True))
