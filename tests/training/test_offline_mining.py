from pathlib import Path
from typing import Any

import pytest
import torch

from vultus.data import open_dataset
from vultus.sampling.offline_sampler import OfflineTripletSampler
from vultus.training.recipe.recipe import Recipe
from vultus.training.trainer import Trainer

OFFLINE = {
    "sampler": {"name": "offline", "triplets": 8, "every": 4, "margin": 0.2},
    "loss": {"name": "triplet"},
    "miner": {"name": "as-sampled"},
    "optimizer": {"name": "sgd", "lr": 0.01},
}


def offline(values: dict[str, Any], steps: int) -> Trainer:
    return Trainer(Recipe.from_dict({**values, **OFFLINE, "steps": steps}, source="r.toml"))


def mined_of(trainer: Trainer) -> torch.Tensor:
    sampler = trainer.state.stage.loader.sampler
    assert isinstance(sampler, OfflineTripletSampler)
    assert sampler.mined is not None
    return sampler.mined


def test_triplets_violate_the_margin_of_the_network_of_the_moment(
    tiny_values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = offline(tiny_values, 1)
    dataset = trainer.dataset
    images = torch.stack([torch.from_numpy(dataset.image(i)) for i in range(len(dataset))])
    floats = (images.permute(0, 3, 1, 2).float() - 127.5) / 127.5
    with torch.no_grad():
        vectors = torch.nn.functional.normalize(trainer.state.backbone.eval()(floats))
    trainer.run()
    anchors, positives, negatives = mined_of(trainer).T
    labels = torch.from_numpy(dataset.labels.copy())
    assert len(set(anchors.tolist())) == len(anchors) > 100
    assert torch.equal(labels[anchors], labels[positives])
    assert not (labels[anchors] == labels[negatives]).any()
    near = (vectors[anchors] - vectors[positives]).square().sum(dim=1)
    far = (vectors[anchors] - vectors[negatives]).square().sum(dim=1)
    assert (far < near + 0.2 + 1e-4).all()


def test_it_is_mined_anew_every_n_steps(tiny_values: dict[str, Any]) -> None:
    rounds = []
    original = OfflineTripletSampler.take

    def counted(self: OfflineTripletSampler, triplets: Any) -> None:
        rounds.append(triplets)
        original(self, triplets)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OfflineTripletSampler, "take", counted)
        offline(tiny_values, 9).run()
    assert len(rounds) == 3
    assert not torch.equal(rounds[0].negatives, rounds[1].negatives)


def test_what_cannot_be_read_is_in_no_triplet(tiny_values: dict[str, Any], tmp_path: Path) -> None:
    source = open_dataset(tiny_values["data"]["root"])
    for index in range(160):
        folder = tmp_path / "some" / source.identities[source.labels[index]]
        folder.mkdir(parents=True, exist_ok=True)
        content = b"no image" if index == 5 else source.encoded(index)
        (folder / f"{index:03}.png").write_bytes(content)
    data = {**tiny_values["data"], "root": str(tmp_path / "some")}
    trainer = offline({**tiny_values, "data": data}, 1)
    trainer.run()
    assert 5 not in mined_of(trainer)
    assert len(mined_of(trainer)) > 40
