"""What every reader yields: one photo with its instances, checked when it is made."""

from dataclasses import dataclass, field
from typing import NamedTuple

# Model Garden's evaluation passes source ids through float32, which is exact below 2^24.
MAX_IMAGE_ID = 2**24 - 1


class BBox(NamedTuple):
    """Absolute pixels, half-open: xmax and ymax lie just outside the box."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    @classmethod
    def from_xywh(cls, x: float, y: float, width: float, height: float) -> "BBox":
        """Makes a box from COCO's order."""
        return cls(x, y, x + width, y + height)

    @property
    def width(self) -> float:
        """Pixels."""
        return self.xmax - self.xmin

    @property
    def height(self) -> float:
        """Pixels."""
        return self.ymax - self.ymin

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        """COCO's order."""
        return (self.xmin, self.ymin, self.width, self.height)


@dataclass(frozen=True)
class Instance:
    """One object in an image.

    Attributes:
        category_id: 1-based index into the data set's category names.
        rle: compressed COCO RLE, {"size": [height, width], "counts": bytes}, of the image's size.
        bbox: the mask's own box, never the raw file's.
        area: number of mask pixels, at least 1.
        is_crowd: the mask covers a group that could not be told apart.
        attribute_ids: the raw data set's own, ascending; empty: annotated, it has none; None: not
            annotated, it may have any.
    """

    category_id: int
    rle: dict = field(repr=False)
    bbox: BBox
    area: int
    is_crowd: bool = False
    attribute_ids: tuple[int, ...] | None = None


@dataclass(frozen=True)
class AnnotatedImage:
    """One photo and all instances in it.

    Attributes:
        image_id: 0 .. 2^24 - 1, unique within the data set.
        file_name: the photo's name in the raw data set.
        encoded: RGB JPEG bytes; height and width are those of these bytes, in pixels.
        instances: empty for a photo that has no annotations (split `challenge`).

    Raises:
        ValueError: A field is outside its range, or an instance does not fit the image.
    """

    image_id: int
    file_name: str
    encoded: bytes = field(repr=False)
    height: int
    width: int
    instances: tuple[Instance, ...]

    def __post_init__(self):
        if not 0 <= self.image_id <= MAX_IMAGE_ID:
            raise ValueError(
                f"image {self.image_id}: expected an id in 0..{MAX_IMAGE_ID}, larger ones lose "
                "digits in evaluation; give the images smaller integer ids."
            )
        if self.height < 1 or self.width < 1:
            raise ValueError(
                f"image {self.image_id}: got size {self.width}x{self.height}, expected at least "
                "1x1; check the annotation's size fields."
            )
        for index, instance in enumerate(self.instances):
            self._check_instance(index, instance)

    def _check_instance(self, index: int, instance: Instance) -> None:
        where = f"image {self.image_id}, instance {index}"
        if instance.category_id < 1:
            raise ValueError(
                f"{where}: got category id {instance.category_id}, expected 1 or more."
            )
        size = tuple(instance.rle["size"])
        if size != (self.height, self.width):
            raise ValueError(
                f"{where}: got a mask of height, width {size}, expected the image's "
                f"({self.height}, {self.width})."
            )
        bbox = instance.bbox
        inside = 0 <= bbox.xmin < bbox.xmax <= self.width
        inside = inside and 0 <= bbox.ymin < bbox.ymax <= self.height
        if not inside:
            raise ValueError(
                f"{where}: {bbox} is empty or outside the {self.width}x{self.height} image; "
                "boxes are taken from masks."
            )
        if not 1 <= instance.area <= bbox.width * bbox.height:
            raise ValueError(
                f"{where}: got area {instance.area}, expected 1 or more pixels within {bbox}."
            )
