"""Writes crops one by one, each whole or not at all, with the line of the report about it."""

import errno
from pathlib import Path, PurePosixPath

from vultus.alignment.align import align_faces, landmark_residuals
from vultus.alignment.crop_templates import LandmarkTemplate, crop_template
from vultus.core.errors import ImageError
from vultus.core.faces import Faces, Image
from vultus.core.files import make_private_folder, write_bytes
from vultus.curation.align.alignment_file import AlignmentSettings, Row
from vultus.image.encode import encoded


def failure_row(photo: str, reason: str) -> Row:
    """The line about a photo that gave no crop."""
    return {"photo": photo, "error": reason}


class CropWriter:
    """Aligns chosen faces and writes them below a folder.

    Args:
        folder: Where to.
        settings: Template and format.
    """

    def __init__(self, folder: Path, settings: AlignmentSettings) -> None:
        self.settings = settings
        self._folder = folder

    def write(
        self, photo: str, image: Image, faces: Faces, face: int, similarity: float | None = None
    ) -> Row:
        """Write one crop; ``anna/1.jpg`` gives ``anna/1.jpg.png``.

        Args:
            photo: The photo's name below its root, with ``/``.
            image: The photo.
            faces: The faces found in it.
            face: Which is meant.
            similarity: To the person's other photos, where it was asked.

        Returns:
            The line of the report.

        Raises:
            InputError: If the landmarks are degenerate.
            ImageError: If the crop's name cannot be a file's.
            OSError: If the disk refuses.
        """
        crop = photo + self.settings.ending
        if PurePosixPath(crop).is_absolute() or ".." in PurePosixPath(crop).parts:
            raise ImageError(f"a crop cannot be called {crop!r}")
        chosen = faces[face]
        pixels = align_faces(image, chosen, template=self.settings.template).pixels[0]
        data = encoded(pixels, self.settings.ending, quality=self.settings.quality)
        row: Row = {
            "photo": photo,
            "crop": crop,
            "faces": len(faces),
            "face": face,
            **chosen.to_dicts()[0],
        }
        if isinstance(crop_template(self.settings.template), LandmarkTemplate):
            residuals = landmark_residuals(chosen, self.settings.template)[0]
            row["residuals_px"] = [round(float(value), 3) for value in residuals]
            row["residual_px"] = round(float(residuals.mean()), 3)
        if similarity is not None:
            row["similarity"] = round(similarity, 4)
        self._place(crop, data)
        return row

    def _place(self, crop: str, data: bytes) -> None:
        path = self._folder / crop
        try:
            make_private_folder(path.parent)
            write_bytes(path, data, private=True)
        except OSError as error:
            if error.errno in (errno.ENAMETOOLONG, errno.EINVAL):
                raise ImageError(f"a crop cannot be called {crop!r}: {error.strerror}") from error
            raise
