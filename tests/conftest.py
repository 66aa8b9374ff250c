"""What tests of several folders share."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.support.s3 import s3_server, s3_url

# one server for all that ask for it
__all__ = ["s3_server", "s3_url"]

CLUSTERS = ("test_ray.py", "test_driver.py", "test_job.py", "test_object_store.py", "test_raylets.py")
"""what the names of tests that start Ray hold"""
FORKED = ("chaos/test_generate", "chaos/test_recipes")
"""whose processes are forked from one server"""
SLOW = (
    *(
        "tests/chaos/",
        "tests/training/",
        "tests/benchmarks/",
        "tests/whole/",
        "tests/commands/",
        "tests/parity/",
        "[s3",
    ),
    *("tests/examples/", "tests/test_damage", "tests/test_layers", "gigatile/test_making", "cluster/test_cli"),
    *("runs/test_cleaning", "runs/test_generate", "runs/test_prompts", "runs/test_upscale", "console/test_ending"),
    *("images/test_delivery", "objects/test_uploading", "writers/test_iiif", "writers/test_deep_zoom"),
    *("pictures/test_exporting", "pictures/test_textures", "pictures/test_viewer"),
    *("actors/test_drive", "executors/test_local", "schedule/test_coordinator", "work/test_worker"),
    *("artifacts/test_blobs", "artifacts/test_edges", "artifacts/test_reductions", "artifacts/test_resume"),
    *("artifacts/test_words", "storage/test_arrays", "storage/test_journal", "images/test_sink"),
    *("plan/test_estimate", "imaging/test_finite", "sampling/test_model_scheduler", "taggers/test_captioner"),
    *("models/attachments/", "models/test_flops", "models/test_registry", "autoencoder/test_group_norm"),
    *("attention/test_kernels", "attention/test_neighbourhood", "attention/test_word_maps"),
    *("embedded/test_flops", "embedded/test_generator", "embedded/test_loading", "files/test_model_file"),
    *("files/test_networks", "files/test_single_file", "files/test_strictness", "files/test_weights"),
)
"""what the names of tests hold that `make fast` leaves out: whole runs, processes, servers, what took over a second"""
OF_THE_MACHINE = (
    *("AWS_", "GDAL_", "CPL_", "ZARR_", "RAY_ADDRESS", "RAY_AUTH_", "RAY_NAMESPACE", "GIGATILE_TRACEBACK"),
    *("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "TTY_", "PYTHONWARNINGS"),
)
"""how variables begin that would change what is tested: a shell's credentials, drivers, cluster, width and colours"""
READING = "tests/pipeline/models/files/"
"""where tests are about the reading of models"""
LONGEST_TEMPORARY = 40
"""letters of the folder for temporary files: sockets lie in it, below 65 letters of Ray's own, and their paths have 107
at most"""

for name in [name for name in os.environ if name.startswith(OF_THE_MACHINE)]:
    del os.environ[name]
# Ray's workers would else give way to the tests of the other process, which never wait
os.environ.setdefault("RAY_worker_niceness", "0")
# two processes of as many threads as there are cores would wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")
# and where more are asked for, those that wait give their core away: turning in circles they cost ten times the work
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# the servers of the tests are not behind a proxy
for name in ("NO_PROXY", "no_proxy"):
    os.environ[name] = ",".join(filter(None, ("127.0.0.1", "localhost", os.environ.get(name))))
if len(tempfile.gettempdir()) > LONGEST_TEMPORARY:
    os.environ["TMPDIR"] = tempfile.tempdir = "/tmp"

# the same examples everywhere, however slow the machine
settings.register_profile(
    "anywhere", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("anywhere")


def starts_ray(nodeid: str) -> bool:
    return any(name in nodeid for name in CLUSTERS)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--few-cases", action="store_true", help="of each test the first and the last case alone")


def few_cases(items: list[pytest.Item]) -> list[pytest.Item]:
    """Of each test the first and the last case."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return [one for each in cases.values() for one in (each[:1] if len(each) == 1 else [each[0], each[-1]])]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Ray's tests first, so that one of two processes begins with them: they take longest. Marks the slow ones."""
    if config.getoption("--few-cases"):
        kept = few_cases(items)
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept
    for item in items:
        if any(name in item.nodeid for name in SLOW):
            item.add_marker(pytest.mark.slow)
    unnamed = [item.nodeid for item in items if item.get_closest_marker("ray") and not starts_ray(item.nodeid)]
    assert not unnamed, f"name these as tests/conftest.py knows tests that start Ray: {unnamed}"
    items.sort(key=lambda item: not starts_ray(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Ray's tests, which take both cores, one after another in one process, others by file.

    xdist's own groups do not reach pytest 9.2's test ids.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            if starts_ray(nodeid):
                return "clusters"
            if any(name in nodeid for name in FORKED):
                return "forked"
            # one small model is trained for all of these
            return "training" if "tests/training/" in nodeid else nodeid.split("::")[0]

    return Scheduling(config, log)


@pytest.fixture(scope="module", autouse=True)
def networks_read_once(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whole runs read the same small models hundreds of times; those of reading itself read anew."""
    if READING in request.node.nodeid or "pipeline.models.registry" not in sys.modules:
        yield
        return
    from tests.support import memory  # not at the head: many tests need no model

    with pytest.MonkeyPatch.context() as patch:
        memory.install(patch)
        yield


@pytest.fixture(scope="session")
def ray_until_the_end() -> Iterator[None]:
    """Ends what ``shared_ray`` started."""
    yield
    import ray  # not at the head: most tests do without, and it takes seconds

    ray.shutdown()


@pytest.fixture
def shared_ray(ray_until_the_end: None) -> None:
    """This process is the driver of a Ray with three CPUs, the same for all tests that ask for one."""
    from tests.support.rays import ensure_ray

    ensure_ray()
