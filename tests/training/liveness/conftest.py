"""One site and one run for all tests that only look at them."""

from pathlib import Path

import pytest
import torch
from tests.training.liveness.world import LONGER, recipe_of, write_site

from vultus.training.liveness.prepared import PreparedPhotos, prepare_photos
from vultus.training.liveness.recipe import LivenessRecipe
from vultus.training.liveness.train import LivenessRun, train_liveness


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def trained(site: Path, tmp_path_factory: pytest.TempPathFactory) -> LivenessRun:
    """Long enough to tell imitations from drawn faces."""
    output = tmp_path_factory.mktemp("runs") / "door"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the fixture of each test comes too late for one of all tests
    run = train_liveness(recipe_of(site, output, *LONGER))
    torch.set_num_threads(threads)
    return run


@pytest.fixture(scope="session")
def recipe(site: Path, trained: LivenessRun) -> LivenessRecipe:
    """That of the run, whose crops are cut already."""
    return recipe_of(site, trained.path, *LONGER)


@pytest.fixture(scope="session")
def prepared(recipe: LivenessRecipe, trained: LivenessRun) -> PreparedPhotos:
    return prepare_photos(recipe, trained.path)
