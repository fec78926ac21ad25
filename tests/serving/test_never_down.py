"""Short versions of tests.serving.never_down, against a real server process."""

import itertools
import shutil

import pytest

from tests.serving import never_down
from tests.serving.rude_clients import wait_of_others

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def base_path(export_dir, tmp_path_factory):
    path = tmp_path_factory.mktemp("never_down")
    shutil.copytree(export_dir / "3", path / "1")
    return path


@pytest.fixture(scope="module")
def server(base_path):
    server = never_down.Server(base_path)
    yield server
    server.stop()


@pytest.fixture
def photos(png_of_blocks):
    return [png_of_blocks(60 + side, 90, red=(3, 5, 30, 40)) for side in range(4)]


def test_malformed_requests_get_their_status_and_leave_the_server_well(server, png_of_blocks):
    photo = png_of_blocks(60, 90, red=(3, 5, 30, 40))
    # This model decodes without a guard: what its graph reports passes through.
    never_down.soak(server, [photo], 2, 1)
    before_mb = server.memory_mb()

    seen = never_down.send_malformed(server, photo, 140, with_huge=True, unguarded=True)

    assert len({kind for kind, _ in seen}) == 15
    assert seen.total() == 140
    assert server.memory_mb() < before_mb + 250  # not the 100 MB messages, and not the bombs


# This model decodes without a guard: bombs are for the exported one, tests.serving.never_down.
@pytest.mark.parametrize("how", ["no deadline", "200 cancelled", "300 idle connections"])
def test_rude_clients_keep_nobody_waiting(server, photos, how):
    assert wait_of_others(server.address, server.rest_port, photos[0], how) < 20


def test_clients_are_answered_without_a_failure(server, photos):
    figures, memory_mb = never_down.soak(server, photos, 4, 5)

    assert figures.failures == ()
    assert figures.num_answers > 0
    # It may fall, where the system takes back pages that nobody uses; from nowhere may it grow.
    least_so_far = itertools.accumulate(memory_mb, min)
    assert all(now < least * 1.2 for now, least in zip(memory_mb, least_so_far, strict=True))


def test_versions_swapped_under_load_fail_nobody(server, base_path, photos):
    figures, _ = never_down.swap_under_load(server, base_path, photos, 3, 0.5)

    assert figures.failures == ()
    assert figures.num_answers > 0


def test_a_killed_server_that_comes_back_fails_nobody(server, photos):
    figures = never_down.kill_and_restart(server, photos, 300)

    assert figures.failures == ()
    assert figures.num_answers > 0
