"""`Picture`, what a file holds, and how it becomes an image of 8 bits and of one size."""

import hashlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin

from budgetnas.data._decode import LEAST, TIMES, Pixels, content_digest, open_picture
from budgetnas.data._source import BITS, KINDS, Depth, Kind, View, depth_problem, white_level
from budgetnas.errors import InputError

Values = npt.NDArray[Any]

_LUMA = np.array([0.299, 0.587, 0.114])
_SIXTEEN_BITS = re.compile("((?:RGB|RGBX|RGBA|LA);16)([BLN])")
"""What Pillow calls colour of 16 bits in a file, of which it keeps only the upper 8."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright, with the values of its file."""

    values: Values
    """uint8 [h, w, 3], or more than 8 bits: int32 or float32 [h, w, 1 or 3]."""
    alpha: Pixels | None = None
    """uint8 [h, w]; None if every pixel is opaque."""

    def __post_init__(self) -> None:
        """Raise for values of which no white level makes sense."""
        if self.kind is None:
            return
        values, most = self.values, 2**BITS - 1
        wrong = ~((values >= 0) & (values <= most))  # true for NaN, too
        if wrong.any():
            raise ValueError(
                f"{KINDS[self.kind]} of more than 8 bits must be from 0 to {most:,}, "
                f"got {values[wrong][0]:g}"
            )

    @property
    def kind(self) -> Kind | None:
        """What the values are; None for bytes."""
        if self.values.dtype == np.uint8:
            return None
        return "float" if self.values.dtype.kind == "f" else "integer"

    @property
    def peak(self) -> float:
        return float(self.values.max())

    def digest(self) -> bytes:
        """Return a digest of the content, the same in every lossless format and at every size."""
        values = self.values
        if self.kind == "integer" and self.peak <= 255:
            values = values.astype(np.uint8)  # bytes in a wider file
        if self.alpha is not None:
            colour = np.broadcast_to(values, (*values.shape[:2], 3))
            alpha = self.alpha[..., None]
            values = np.concatenate([colour * (alpha > 0), alpha], axis=2)  # the seen colours
        elif values.dtype == np.uint8:
            return content_digest(values)
        digest = hashlib.sha256(repr((values.shape, values.dtype.kind)).encode())
        digest.update(np.ascontiguousarray(values).tobytes())
        return digest.digest()

    def colour(self, depth: Depth | None, background: tuple[int, int, int]) -> Pixels:
        """Bring it to 8 bits, and compose it on a background: uint8 [h, w, 3].

        Raises:
            ValueError: If it has more than 8 bits, and `depth` does not say how to read them.
        """
        pixels = self._bytes(depth)
        if self.alpha is None:
            return pixels
        canvas = Image.new("RGB", (pixels.shape[1], pixels.shape[0]), background)
        canvas.paste(Image.fromarray(pixels), mask=Image.fromarray(self.alpha))
        return np.asarray(canvas)

    def _bytes(self, depth: Depth | None) -> Pixels:
        if self.kind is None:
            return self.values
        if problem := depth_problem(self.kind, depth):
            raise ValueError(problem)
        assert depth is not None, "no depth is a problem"
        scaled = self.values * (255 / depth.white)
        grey_or_colour = np.rint(scaled.clip(0, 255)).astype(np.uint8)
        return np.broadcast_to(grey_or_colour, (*grey_or_colour.shape[:2], 3))

    def own_depth(self) -> Depth | None:
        """Return how its values would become 8 bits, were it alone."""
        if self.kind is None:
            return None
        return Depth(kind=self.kind, white=white_level(self.kind, self.peak))


def read_picture(content: bytes, size: int) -> Picture:
    """Decode the content of a picture's file, at the scale that an image of this size needs.

    Raises:
        Exception: Nearly any; Pillow's plugins raise what they come across in damaged files.
    """

    def opened() -> Image.Image:
        return open_picture(content, size)

    with opened() as image:
        _require_interleaved(image)
        raw = _SIXTEEN_BITS.fullmatch(_rawmode(image))
        return _sixteen_bits(image, raw, opened) if raw else picture_of(image)


def read_digested(content: bytes, size: int) -> tuple[Picture, bytes]:
    """Decode the content of an image file; also return its digest, which no size changes."""
    picture = read_picture(content, size)
    if TIMES * size > LEAST:
        with open_picture(content, size) as image, open_picture(content, 0) as standard:
            if image.size != standard.size:
                return picture, read_picture(content, 0).digest()
    return picture, picture.digest()


def picture_of(image: Image.Image) -> Picture:
    """Return the values of a Pillow image of any mode."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I") or upright.mode == "F":
        kind = np.float32 if upright.mode == "F" else np.int32
        values = np.asarray(upright).astype(kind)[..., None]
        return Picture(values, _unless_opaque(_keyed(values, upright)))
    if not upright.has_transparency_data:
        return Picture(np.asarray(upright.convert("RGB")))
    if upright.mode in ("La", "RGBa"):  # colours multiplied by alpha
        upright = upright.convert(upright.mode[:-1] + "A")
    pixels = np.asarray(upright.convert("RGBA"))
    return Picture(np.ascontiguousarray(pixels[..., :3]), _unless_opaque(pixels[..., 3]))


def preprocessed(image: Image.Image, view: View, depth: Depth | None) -> Pixels:
    """Make the image [size, size, 3] of a picture that training makes of its file.

    Of a picture that is open, but not loaded, the file is decoded as training decodes it. Of one
    that Pillow has loaded, whatever Pillow kept is all there is: 8 bits of each colour.

    Raises:
        InputError: If it can't be read, or not as the training images were.
    """
    try:
        content = _unread(image)
        picture = picture_of(image) if content is None else read_picture(content, view.size)
        return fit_one(picture.colour(depth, view.colour), view)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"not a readable picture: {error}") from None


def to_channels(images: Pixels, channels: int) -> Pixels:
    """Bring colour images [..., 3] to grey [..., 1] if one channel is wanted.

    Of a grey pixel the grey is the pixel itself.
    """
    if channels == 3:
        return images
    grey: Pixels = np.rint(images @ _LUMA).astype(np.uint8)[..., None]
    return grey


def is_grey(pixels: Values) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def _unread(image: Image.Image) -> bytes | None:
    """Read the file of a picture that was opened, and nothing more; None of any other."""
    file = getattr(image, "fp", None)
    if not (isinstance(image, ImageFile.ImageFile) and image.tile and file) or image.tell():
        return None
    place = file.tell()
    file.seek(0)
    content: bytes = file.read()
    file.seek(place)
    return content


def _require_interleaved(image: Image.Image) -> None:
    """Raise for 16 bits of colour in a TIFF with planar channels: Pillow misreads them."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    bits = image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
    planes = image.tag_v2.get(TiffImagePlugin.PLANAR_CONFIGURATION) == 2
    if planes and len(bits) > 1 and max(bits) > 8:
        raise ValueError(
            "a TIFF of more than 8 bits must have its channels interleaved, these are in planes "
            "of their own: save it otherwise"
        )


def _rawmode(image: Image.Image) -> str:
    """Name how the file's pixels are stored, where all of them are stored in one way."""
    tiles = image.tile if isinstance(image, ImageFile.ImageFile) else []
    modes = {str(t.args[0] if isinstance(t.args, tuple) else t.args) for t in tiles if t.args}
    return modes.pop() if len(modes) == 1 else ""


def _sixteen_bits(
    image: Image.Image, raw: re.Match[str], again: Callable[[], Image.Image]
) -> Picture:
    """Decode colour of 16 bits, whose lower 8 are the upper ones read in the other byte order."""
    layout, order = raw.groups()
    if layout == "LA;16":  # always with the upper byte first: 4 bytes a pixel, as RGBA has
        high, low, alpha, _ = np.moveaxis(_decoded(image, "RGBA"), 2, 0).astype(np.int32)
        return Picture((high << 8 | low)[..., None], _unless_opaque(alpha.astype(np.uint8)))
    little = order == "L" or (order == "N" and sys.byteorder == "little")
    with again() as other:
        low = _decoded(other, layout + "BL"[not little])
    high = _decoded(image, str(raw[0]))
    values = high[..., :3].astype(np.int32) << 8 | low[..., :3]
    if layout == "RGBA;16":
        return Picture(values, _unless_opaque(high[..., 3]))
    return Picture(values, _unless_opaque(_keyed(values, image)))


def _decoded(image: Image.Image, rawmode: str) -> Pixels:
    """Decode a file, its pixels taken for stored in this way."""
    assert isinstance(image, ImageFile.ImageFile), "it was just opened"
    image.tile = [
        t._replace(args=(rawmode, *t.args[1:]) if isinstance(t.args, tuple) else rawmode)
        for t in image.tile
    ]
    return np.asarray(ImageOps.exif_transpose(image))


def _keyed(values: Values, image: Image.Image) -> Pixels:
    """Return alpha where one value, or one colour, of the file is transparent."""
    key = image.info.get("transparency")
    if key is None or isinstance(key, bytes):
        return np.full(values.shape[:2], 255, np.uint8)
    return np.where((values == np.array(key)).all(axis=2), 0, 255).astype(np.uint8)


def _unless_opaque(alpha: Pixels) -> Pixels | None:
    return None if alpha.min(initial=255) == 255 else alpha


def fit(images: npt.NDArray[np.uint8], view: View) -> npt.NDArray[np.uint8]:
    """Bring images [n, h, w, c], with c of 1 or 3, to [n, size, size, c]."""
    size = view.size
    if images.shape[1] == size and images.shape[2] == size:
        return images
    fitted = empty_images(len(images), size, images.shape[3])
    for place, image in enumerate(images):
        fitted[place] = fit_one(image, view)
    return fitted


def empty_images(n: int, size: int, channels: int) -> npt.NDArray[np.uint8]:
    """Make room for images [n, size, size, channels]; what is never written takes no memory."""
    needed = n * size**2 * channels
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise InputError(
            f"--image-size {size}: {n:,} images must fit into memory, they need "
            f"{needed / 2**30:,.1f} GiB, this machine has {there / 2**30:,.1f} GiB"
        )
    return np.empty((n, size, size, channels), np.uint8)


def fit_one(image: npt.NDArray[np.uint8], view: View) -> npt.NDArray[np.uint8]:
    """Bring one image [h, w, c], with c of 1 or 3, to [size, size, c].

    What it returns is cached: raise `budgetnas.data._decode._VERSION` with any change.

    Raises:
        ValueError: If it is so long and thin that it would first become too large.
    """
    size = view.size
    height, width, channels = image.shape
    if height == size and width == size:
        return image
    picture = Image.fromarray(image[..., 0] if channels == 1 else image)
    if view.fit == "squash":
        square = picture.resize((size, size), Image.Resampling.BILINEAR)
    else:
        square = _cropped(picture, size) if view.fit == "crop" else _padded(picture, view)
    return np.asarray(square).reshape(size, size, channels)


def _cropped(picture: Image.Image, size: int) -> Image.Image:
    scale = size / min(picture.size)
    width, height = (max(size, round(side * scale)) for side in picture.size)
    if Image.MAX_IMAGE_PIXELS and width * height > Image.MAX_IMAGE_PIXELS:
        raise ValueError(
            f"{picture.width}x{picture.height} pixels are too thin to be cropped to "
            f"{size}x{size}: --fit pad or squash shows all of it"
        )
    left, top = (width - size) // 2, (height - size) // 2
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + size, top + size))


def _padded(picture: Image.Image, view: View) -> Image.Image:
    size = view.size
    scale = size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    grey = round(sum(c * w for c, w in zip(view.colour, (0.299, 0.587, 0.114), strict=True)))
    square = Image.new(picture.mode, (size, size), grey if picture.mode == "L" else view.colour)
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    square.paste(resized, ((size - width) // 2, (size - height) // 2))
    return square
