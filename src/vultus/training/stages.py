"""A stage of a run, built: its loss, its optimisers, its batches."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import torch
from torch import nn

from vultus.backbones.base import Backbone
from vultus.core.errors import ConfigError
from vultus.data.augmentation.mixup import Mixup
from vultus.data.augmentation.sequence import Augmentation
from vultus.data.base import FaceDataset
from vultus.data.loading.batch_loader import BatchLoader
from vultus.data.loading.device_loader import DeviceCrops, DeviceFaceLoader
from vultus.data.loading.loader import FaceLoader
from vultus.sampling import SAMPLERS, BatchSampler
from vultus.training.checks.doctor import check_single_image
from vultus.training.objectives.distillation import DistillationObjective
from vultus.training.objectives.heads import build_objective
from vultus.training.objectives.objective import LossObjective, Objective
from vultus.training.optimisation.optimizers import Optimizers, build_optimizers, parameter_groups
from vultus.training.process.distributed import World
from vultus.training.recipe.recipe import Recipe
from vultus.training.recipe.stage_config import StageConfig

_SMALL = 8
"""Classes and dimension of the losses that are built only to see that their settings are right."""

_BATCH_SETTINGS = ("batch_size", "identities", "images", "negatives", "triplets")
"""Settings of samplers that say how large a batch is."""


@dataclass(eq=False)
class Stage:
    """What the trainer needs of a stage.

    Attributes:
        config: Its sections.
        objective: Its loss, on the device.
        optimizers: They move the backbone's free parameters and the objective's.
        loader: Its batches.
        total_steps: Its length.
    """

    config: StageConfig
    objective: Objective
    optimizers: Optimizers
    loader: BatchLoader
    total_steps: int


@dataclass(frozen=True)
class StageBuilder:
    """Builds the stages of a recipe.

    Attributes:
        recipe: The recipe.
        dataset: The training faces.
        backbone: The network; its parameters are frozen and freed by `build`.
        world: The processes of the run.
    """

    recipe: Recipe
    dataset: FaceDataset
    backbone: Backbone
    world: World
    _crops: list[DeviceCrops] = field(default_factory=list, init=False)
    """What the stages share once one of them has needed it."""

    def build(self, number: int, *, before: Stage | None = None) -> Stage:
        """Build stage ``number`` (0 = the first).

        Args:
            number: Its place in the recipe.
            before: The stage that just ended; its loss goes on if this stage's is the same, at
                full margin.

        Raises:
            ConfigError: If names, settings or frozen parameters do not fit.
        """
        config = self.recipe.stages[number]
        freeze(self.backbone, config.frozen)
        objective = self._objective(number, before)
        loader = self._loader(number, views=objective.views)
        groups = parameter_groups(
            config.optimizer,
            dict(self.backbone.named_parameters()),
            objective.parameters(),
            row_sparse=objective.row_sparse(),
            lr=self._lr(config, loader.sampler),
        )
        optimizers = build_optimizers(config.optimizer, groups)
        return Stage(config, objective, optimizers, loader, self.total_steps(number))

    def total_steps(self, number: int) -> int:
        """Length of stage ``number`` in steps.

        Raises:
            ConfigError: If its sampler's settings are wrong or give no batch.
        """
        config = self.recipe.stages[number]
        if config.steps is not None:
            return config.steps
        batches = len(self._sampler(number))
        epochs = 1.0 if config.epochs is None else config.epochs
        return max(1, round(epochs * batches / self.recipe.training.accumulate))

    def all_steps(self) -> list[int]:
        """Length of every stage."""
        return [self.total_steps(number) for number in range(len(self.recipe.stages))]

    def check(self) -> None:
        """Find wrong names and settings of every stage now, not when its turn comes.

        Raises:
            VultusError: If there are any.
        """
        with torch.random.fork_rng(devices=[]):
            for number, config in enumerate(self.recipe.stages):
                sampler = self._sampler(number)
                self._augmentation(number)
                freeze(self.backbone, config.frozen)
                objective = build_objective(
                    config,
                    num_classes=_SMALL,
                    dim=_SMALL,
                    crops=self.recipe.input,
                )
                if self.recipe.data.non_faces is not None:
                    _check_knows_non_faces(objective)
                if sampler.smallest_batch * objective.views == 1:
                    size_hw, device = self.recipe.input.size_hw, self.world.device
                    image = torch.zeros(1, 3, *size_hw, device=device)
                    settings = config.sampler.settings
                    sizes = [f"{n}={v}" for n, v in settings.items() if n in _BATCH_SETTINGS]
                    setting = f"sampler.{' sampler.'.join(sizes)}" if sizes else "the sampler"
                    check_single_image(self.backbone, image, setting=setting)

    def _objective(self, number: int, before: Stage | None) -> Objective:
        config = self.recipe.stages[number]
        goes_on = number > 0 and _same_loss(self.recipe.stages[number - 1], config)
        if goes_on and before is not None:
            objective = before.objective
        else:
            objective = build_objective(
                config,
                num_classes=self._num_people(),
                dim=self.backbone.dim,
                crops=self.recipe.input,
                seed=self.recipe.run.seed,
                group=self.world.group,
            ).to(self.world.device)
            self.world.copy_from_first(objective.replicated())
        if goes_on:
            objective.end_warmup()
        return objective

    def _num_people(self) -> int:
        """Classes of a loss: the identities; what is no face has the label behind theirs."""
        return len(self.dataset.identities) - (self.recipe.data.non_faces is not None)

    def _augmentation(self, number: int) -> Augmentation | None:
        """What is done to the crops of a stage."""
        recipe = self.recipe
        augmentation = Augmentation.from_tables(recipe.augment)
        mixtures = [step for step in augmentation.steps if isinstance(step.transform, Mixup)]
        if mixtures and not recipe.data.on_device:
            raise ConfigError("augment: mixup needs whole batches: set data.on_device = true")
        stage = recipe.stages[number]
        asked = stage.distillation is not None and stage.distillation.live
        if mixtures and not (asked and stage.loss is None and all(s.shared for s in mixtures)):
            raise ConfigError(
                "augment: a mixture is nobody's face, only a teacher who sees it can say what it "
                "is: mixup needs shared = true, distillation.live = true and no loss"
            )
        return augmentation if augmentation.steps else None

    def _loader(self, number: int, *, views: int) -> BatchLoader:
        recipe, augmentation = self.recipe, self._augmentation(number)
        if recipe.data.on_device:
            return DeviceFaceLoader(
                self._device_crops(),
                self._sampler(number),
                augmentation=augmentation,
                seed=recipe.run.seed,
                views=views,
            )
        return FaceLoader(
            self.dataset,
            self._sampler(number),
            augmentation=augmentation,
            size_hw=recipe.input.size_hw,
            seed=recipe.run.seed,
            workers=recipe.data.workers,
            views=views,
            pin_memory=self.world.device.type == "cuda",
        )

    def _device_crops(self) -> DeviceCrops:
        if not self._crops:
            crops = DeviceCrops(
                self.dataset,
                size_hw=self.recipe.input.size_hw,
                device=self.world.device,
                workers=self.recipe.data.workers,
            )
            self._crops.append(crops)
        return self._crops[0]

    def _sampler(self, number: int) -> BatchSampler:
        stage = self.recipe.stages[number]
        config, settings = stage.sampler, dict(stage.sampler.settings)
        if config.name == "shuffled":  # nobody's images teach nothing where there is no teacher
            settings.setdefault("unlabelled", stage.distillation is not None)
        sampler = SAMPLERS.read(
            config.name,
            settings,
            source="sampler",
            labels=self.dataset.labels,
            seed=self.recipe.run.seed + number,
            share=self.world.share,
        )
        if len(sampler) == 0:
            raise ConfigError(
                f"sampler {config.name!r} gives no batch from {len(self.dataset)} images; "
                "make its batches smaller"
            )
        return sampler

    def _lr(self, config: StageConfig, sampler: BatchSampler) -> float:
        """The learning rate for the batch of all processes and accumulated batches."""
        if config.optimizer.lr_batch is None:
            return config.optimizer.lr
        batch = sampler.batch_size * self.recipe.training.accumulate * self.world.size
        return float(config.optimizer.lr * batch / config.optimizer.lr_batch)


def freeze(backbone: nn.Module, globs: tuple[str, ...]) -> None:
    """Let exactly the parameters that match no glob move.

    Raises:
        ConfigError: If a glob matches no parameter.
    """
    names = [name for name, _ in backbone.named_parameters()]
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in names):
            raise ConfigError(
                f"frozen: {glob!r} matches no parameter of the backbone "
                f"(they are called {names[0]!r} to {names[-1]!r})"
            )
    for name, parameter in backbone.named_parameters():
        parameter.requires_grad_(not any(fnmatchcase(name, glob) for glob in globs))


def set_training_mode(backbone: nn.Module) -> None:
    """Training mode, but modules that are frozen as a whole keep their statistics too."""
    backbone.train()
    for module in backbone.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def _check_knows_non_faces(objective: Objective) -> None:
    labelled = objective.labelled if isinstance(objective, DistillationObjective) else objective
    losses = [labelled.first, labelled.second] if isinstance(labelled, LossObjective) else []
    for loss in losses:
        if loss is not None and loss.num_labels == loss.num_classes:
            raise ConfigError(
                "data.non_faces needs losses that know what is no face (euclidean), "
                f"{type(loss).__name__} does not; leave that folder out"
            )


def _same_loss(before: StageConfig, after: StageConfig) -> bool:
    keys = ("loss", "second_loss", "distillation", "miner", "head", "margin_warmup")
    return all(getattr(before, key) == getattr(after, key) for key in keys)
