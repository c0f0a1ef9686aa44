"""Image files, decoded by Pillow and resized."""

import io
import warnings
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.data.info import DataError
from cutlayer.sim.data.readers.files import errors_of

ENDINGS: Final = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
MODES: Final = {1: "L", 3: "RGB"}  # by channels


def check_shape(shape: tuple[int, ...]) -> None:
    """Raise DataError unless images can have this shape."""
    if len(shape) != 3 or shape[0] not in MODES:
        raise DataError(
            f"input_shape must be [1, height, width] (grey) or [3, height, width] (colour) for images,"
            f" got {list(shape)}"
        )


def decoded(
    source: Path | bytes, shape: tuple[int, ...], where: str | None = None
) -> NDArray[np.uint8]:
    """Return an image file, or its content, as bytes of this shape (channels, height, width).

    An image of another size is stretched to it, with bilinear interpolation. `where` replaces the file's
    name in messages. Raises DataError.
    """
    from PIL import Image, UnidentifiedImageError

    channels, height, width = shape
    name = where or str(source)
    if isinstance(source, Path):
        if source.is_dir():
            raise DataError(f"{name}: is a folder, not an image")
        with errors_of(name):
            source = source.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about palettes
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(source)) as image:
                picture = image.convert(MODES[channels])
                if picture.size != (width, height):
                    picture = picture.resize((width, height), Image.Resampling.BILINEAR)
                pixels = np.asarray(picture, np.uint8)
    except UnidentifiedImageError:
        raise DataError(f"{name}: is not an image that Pillow can read") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"{name}: has too many pixels to be decoded safely") from None
    except Exception as error:  # a damaged file may raise anything
        reason = str(error).partition("\n")[0][:100]
        raise DataError(f"{name}: cannot be decoded ({reason})") from None
    return pixels.reshape(height, width, channels).transpose(2, 0, 1)
