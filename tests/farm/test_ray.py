"""On two nodes of a Ray cluster, both on this machine; one is taken away in the middle."""

import pytest
from conftest import until, write_clip

pytest.importorskip("ray")

import ray
from ray.cluster_utils import Cluster
from test_faults import begin, options, rows, running, states, takes

from inference_server.farm import farm
from int_blender_addon.core.errors import ArgumentsError

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster():
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield made
    ray.shutdown()
    made.shutdown()


def test_two_nodes_share_the_work(cluster, clips, tmp_path) -> None:
    cluster.add_node(num_cpus=1)
    out = tmp_path / "out"
    assert farm(options(clips, out, address=cluster.address, workers=None)) == 0
    assert len(takes(out)) == 4
    assert len({row["node"] for row in rows(out).values()}) == 2


def test_a_node_taken_away(cluster, tmp_path) -> None:
    second = cluster.add_node(num_cpus=1)
    folder = tmp_path / "clips"
    for number in range(4):
        write_clip(folder / f"{number}.mp4", 30, skip=number)
    out = tmp_path / "out"
    thread, answer = begin(options(folder, out, address=cluster.address, workers=None))
    until(lambda: len(running(out)) == 2)
    cluster.remove_node(second, allow_graceful=False)
    thread.join(300)
    assert answer == [0] and len(takes(out)) == 4
    assert set(states(out).values()) == {"done"}


def test_without_a_cluster_it_is_said(clips, tmp_path) -> None:
    with pytest.raises(ArgumentsError, match="no Ray cluster"):
        farm(options(clips, tmp_path / "out", address="127.0.0.1:1"))
