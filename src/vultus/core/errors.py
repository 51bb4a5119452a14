"""Every exception that Vultus raises on purpose.

Each is also a builtin kind, so that ``except ValueError`` works for who does not know Vultus::

    VultusError
    ├── InputError (ValueError)            an argument has the wrong type, shape or range
    │   ├── OutputError (OSError)          a file or folder cannot be written where it was asked for
    │   └── PersonExpiredError             somebody's consent, or time to be kept, is over
    ├── ImageError (ValueError)            a file or buffer is no image that we accept
    ├── NoFaceError (LookupError)          a photo must show a face and shows none
    ├── SeveralFacesError (LookupError)    a photo must show one face and shows more
    │   └── TooManyFacesError              it shows more than are looked at in one photo
    ├── QualityError (ValueError)          a face is too poor for what was asked of it
    │   ├── LivenessError                  it may be a print or a screen
    │   ├── OutlierError                   it is unlike the other photos of that person
    │   ├── AlreadyEnrolledError           it is of somebody who is enrolled under another name
    │   └── RepeatedPhotoError             that photo was taken before
    ├── SpaceMismatchError (ValueError)    embeddings of two different spaces were to be compared
    ├── CalibrationError (ValueError)      an error rate was asked for that the data cannot carry
    ├── ConfigError (ValueError)           a setting or a file of settings is wrong
    ├── RegistryError (LookupError)        a name is unknown, or is registered twice
    ├── MissingDependencyError (ImportError)   an optional package is not installed
    ├── ProviderError (RuntimeError)       the execution provider asked for is not there
    ├── ModelError (RuntimeError)          a model file or card cannot be used
    │   ├── ModelNotFoundError (FileNotFoundError)  no such model file on this machine
    │   ├── DigestError                    the bytes are not the bytes that the card promises
    │   ├── DownloadError (OSError)        a download failed; what had arrived is kept for resuming
    │   └── LicenceError (PermissionError) its licence was not accepted, or policy forbids it
    ├── GalleryError (RuntimeError)        a gallery file cannot be used
    │   ├── IdentityNotFoundError (LookupError)     nobody of that name is enrolled
    │   ├── NameTakenError                 somebody of that name is enrolled already
    │   ├── GalleryDamagedError            what it holds was changed, or is of another gallery
    │   ├── GalleryKeyError                its master key is missing, wrong or unsafe
    │   ├── GalleryBusyError               others keep its database busy; nothing was changed
    │   ├── GalleryUnreachableError        its database cannot be reached; nothing was changed
    │   ├── GalleryUncertainError          a change was being kept when the connection was lost
    │   └── GallerySpaceError              the gallery holds embeddings of another space
    ├── VideoError (RuntimeError)          a video, camera or stream cannot be read
    ├── IndexFileError (RuntimeError)      the file of a search index is of no use; it is made again
    └── TrainingError (RuntimeError)       a training run cannot go on
        └── CheckpointError                a checkpoint cannot be written, or none can be read
"""


class VultusError(Exception):
    """Root of all errors that Vultus raises on purpose."""


class InputError(VultusError, ValueError):
    """An argument has the wrong type, shape or range."""


class OutputError(InputError, OSError):
    """A file or folder cannot be written where it was asked for."""


class PersonExpiredError(InputError):
    """An enrolled person's consent, or time to be kept, is over: the face is not used any more."""


class ImageError(VultusError, ValueError):
    """A file or buffer is not an image that Vultus accepts."""


class NoFaceError(VultusError, LookupError):
    """A photo that must show a face shows none."""


class SeveralFacesError(VultusError, LookupError):
    """A photo that must show exactly one face shows more."""


class TooManyFacesError(SeveralFacesError):
    """A photo shows more faces than are looked at in one photo."""


class QualityError(VultusError, ValueError):
    """A face is too poor for what was asked of it; the message lists the reasons."""


class LivenessError(QualityError):
    """A face is suspected of being a presentation attack, or that cannot be judged."""


class OutlierError(QualityError):
    """A face is unlike the other photos of the person that it is said to be."""


class AlreadyEnrolledError(QualityError):
    """A photo shows somebody who is in the gallery under another name."""


class RepeatedPhotoError(QualityError):
    """A photo was taken before; once more it says nothing new."""


class SpaceMismatchError(VultusError, ValueError):
    """Embeddings of two different embedding spaces were to be compared."""


class CalibrationError(VultusError, ValueError):
    """An error rate was asked for that the calibration data cannot carry."""


class ConfigError(VultusError, ValueError):
    """A setting, an environment variable or a file of settings is wrong."""


class RegistryError(VultusError, LookupError):
    """A name is unknown to a registry, or was registered twice."""


class MissingDependencyError(VultusError, ImportError):
    """An optional package is needed and is not installed."""


class ProviderError(VultusError, RuntimeError):
    """The runtime or execution provider that was asked for is not available here."""


class ModelError(VultusError, RuntimeError):
    """A model file or model card cannot be used."""


class ModelNotFoundError(ModelError, FileNotFoundError):
    """The model's file is not on this machine and may not or cannot be fetched."""


class DigestError(ModelError):
    """A file's bytes are not the bytes that its card promises."""


class DownloadError(ModelError, OSError):
    """A download failed; what had arrived is kept, and the next try resumes it."""


class LicenceError(ModelError, PermissionError):
    """The model's licence has not been accepted, or this site's policy forbids it."""


class GalleryError(VultusError, RuntimeError):
    """A gallery file cannot be used."""


class IdentityNotFoundError(GalleryError, LookupError):
    """Nobody of that name is enrolled."""


class NameTakenError(GalleryError):
    """Somebody of that name is enrolled, and a new person was to be."""


class GalleryDamagedError(GalleryError):
    """A sealed piece of a gallery was changed, or belongs to another person or gallery."""


class GalleryKeyError(GalleryError):
    """A gallery's master key is missing, is not the right one, or lies where others may read it."""


class GalleryBusyError(GalleryError):
    """Others keep a gallery's database busy; nothing was changed, and it may be tried again."""


class GalleryUnreachableError(GalleryError):
    """A gallery's database cannot be reached now; nothing was changed, it may be tried again."""


class GalleryUncertainError(GalleryError):
    """The connection was lost while a change was being kept: whether it was is to be looked up."""


class GallerySpaceError(GalleryError, SpaceMismatchError):
    """The gallery holds embeddings of another embedding space."""


class VideoError(VultusError, RuntimeError):
    """A video, a camera or a stream cannot be read; the message holds no password.

    Args:
        message: What must be, what came, what to do.
        code: The kind of trouble in a word, for programs and for other languages: ``"unreadable"``,
            ``"unreachable"``, ``"timed-out"``, ``"unauthorised"``, ``"not-found"``, ``"refused"``,
            ``"no-picture"``, ``"too-large"``, ``"broken-off"``, ``"ended"``, ``"silent"``.
    """

    def __init__(self, message: str = "", *, code: str = "unreadable") -> None:
        super().__init__(message)
        self.code = code


class IndexFileError(VultusError, RuntimeError):
    """The file of a search index is missing, damaged, stale or somebody else's: make it again."""


class TrainingError(VultusError, RuntimeError):
    """A training run cannot go on; its last good checkpoint is kept."""


class CheckpointError(TrainingError):
    """A checkpoint cannot be written, is damaged, or does not fit the run that is to go on."""
