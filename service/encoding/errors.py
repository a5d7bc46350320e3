"""The errors of an encoding. Each message names what was wrong and where."""


class EncodingError(Exception):
    """Base of all errors of the encoding."""


class ProfileError(EncodingError):
    """A profile is unknown or unsafe."""


class ModulusError(EncodingError):
    """A modulus is not allowed by the profile."""


class PrivateKeyError(EncodingError):
    """The bytes are not a private key, or the key contradicts itself."""


class KeyErased(EncodingError):
    """A private key was used after it had been erased."""


class BackendError(EncodingError):
    """A cryptographic library could not be loaded or refused a key."""


class ComputationFault(EncodingError):
    """An RSA result failed its check x^e = y (mod N). It is never output: a faulty one gives away a factor of N."""


class SectorError(EncodingError):
    """A run of sectors has a wrong length or index."""


class PaddingError(EncodingError):
    """Bytes past the end of the stream are not zero."""


class OpeningError(EncodingError):
    """An opening of a sector does not lead to the root."""


class TreeFileError(EncodingError):
    """A tree file was given a wrong context, or ends too early."""


class DamagedSectors(EncodingError):
    """Sectors on disk do not hash to what the tree recorded: `count` sectors from `first` on."""

    def __init__(self, first: int, count: int) -> None:
        super().__init__(
            f"sectors {first} to {first + count - 1} on disk do not match the tree recorded when they were written"
        )
        self.first = first
        self.count = count


class DamagedTree(EncodingError):
    """The tree does not give the expected root, and no group of 256 sectors alone explains that."""


class PoolClosed(EncodingError):
    """The worker pool was closed before the work was done."""


class WorkerError(EncodingError):
    """A worker process died more than once on the same run of sectors."""
