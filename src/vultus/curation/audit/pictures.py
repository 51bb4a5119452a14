"""Images by the names that findings use."""

from collections.abc import Iterable, Mapping

from vultus.core.errors import InputError
from vultus.core.faces import Image
from vultus.curation.audit.findings import Finding
from vultus.curation.image_names import image_names
from vultus.data.base import FaceDataset


class Pictures:
    """Looks up the images that findings name.

    Args:
        findings: Whose images and evidence will be asked for.
        dataset: The data set that they are about.
        others: Data sets that evidence comes from, by what its names begin with.
    """

    def __init__(
        self,
        findings: Iterable[Finding],
        dataset: FaceDataset,
        others: Mapping[str, FaceDataset],
    ) -> None:
        wanted = {name for f in findings for name in (*(f.images or ()), *f.evidence)}
        self._places: dict[str, tuple[FaceDataset, int]] = {}
        named = [(f"{name}/", other) for name, other in others.items()]
        for prefix, data in (*named, ("", dataset)):
            for index, name in enumerate(image_names(data)):
                if prefix + name in wanted:
                    self._places[prefix + name] = (data, index)

    def __call__(self, name: str) -> Image:
        """The image.

        Raises:
            InputError: If none of the data sets has it.
            ImageError: If it cannot be read.
        """
        if name not in self._places:
            raise InputError(f"there is no image {name!r}")
        dataset, index = self._places[name]
        return dataset.image(index)
