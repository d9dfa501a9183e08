"""The kinds of faults that datasets have, by what they do to a training."""

from __future__ import annotations

from dataclasses import dataclass

#: What to do where annotations are there and their images are not.
IMAGES_ELSEWHERE = "name the folder of the images with --images DIR, or the dataset's root folder"
ERROR, WARNING, INFO = "error", "warning", "info"
SEVERITIES = (ERROR, WARNING, INFO)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: ``error``: it ruins a training, or an image or annotation is lost by it;
            ``warning``: it probably harms; ``info``: it is worth knowing.
        code: its kind, see :data:`KINDS`.
        file: that it is in.
        where: the place in the file, where it is not the whole of it.
        message: what is so.
    """

    severity: str
    code: str
    file: str
    where: str
    message: str

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{self.file}: {place}{self.message}"


#: code -> severity, and what people call it.
KINDS: dict[str, tuple[str, str]] = {
    "image-missing": (ERROR, "images that are not there"),
    "image-unreadable": (ERROR, "images that cannot be read"),
    "image-truncated": (ERROR, "images that are cut short"),
    "image-empty": (ERROR, "images of zero bytes"),
    "image-bomb": (ERROR, "images that are too large to decode"),
    "image-twice": (ERROR, "images that are annotated twice"),
    "size-mismatch": (ERROR, "images of another size than their annotation says"),
    "annotation-unreadable": (ERROR, "annotations that cannot be read"),
    "dataset-empty": (ERROR, "datasets without an annotated image"),
    "list-unknown": (ERROR, "lists that name images which are not there"),
    "leak-exact": (ERROR, "pictures that are in training and in testing"),
    "box-unreadable": (ERROR, "boxes that are no numbers"),
    "box-missing": (ERROR, "annotations without a box"),
    "box-not-finite": (ERROR, "boxes that are not finite"),
    "box-inverted": (ERROR, "boxes whose sides are swapped"),
    "box-parts": (ERROR, "boxes in parts of the image instead of pixels"),
    "box-empty": (ERROR, "boxes without an area"),
    "box-outside": (ERROR, "boxes outside of their image"),
    "mask-unreadable": (ERROR, "masks that cannot be read"),
    "mask-missing": (ERROR, "annotations without a mask"),
    "keypoints-unreadable": (ERROR, "keypoints that cannot be read"),
    "class-blank": (ERROR, "annotations without a class"),
    "class-id": (ERROR, "class numbers that stand for no class"),
    "class-unknown": (ERROR, "classes that are not in the label map"),
    "class-id-zero": (ERROR, "classes with id 0, which is the background's"),
    "class-untrained": (ERROR, "classes that are only in testing"),
    "split-lost": (WARNING, "splits that are left out"),
    "class-absent": (WARNING, "classes that are absent from a split"),
    "class-blanks": (WARNING, "class names with blanks around them"),
    "class-near-duplicate": (WARNING, "class names that may be two spellings of one"),
    "class-rare": (WARNING, "classes that are rare"),
    "class-unused": (WARNING, "lists of classes that no annotation has"),
    "class-id-gaps": (WARNING, "ids that are left out"),
    "leak-near": (WARNING, "pictures nearly the same in training and in testing"),
    "image-duplicate": (WARNING, "pictures that are there more than once"),
    "image-near-duplicate": (INFO, "pictures that are nearly the same"),
    "box-duplicate": (WARNING, "boxes that are there twice"),
    "box-two-classes": (WARNING, "boxes of two classes"),
    "box-tiny": (WARNING, "tiny boxes"),
    "box-whole-image": (WARNING, "boxes as large as their image"),
    "image-without-boxes": (INFO, "images without boxes"),
    "image-unannotated": (INFO, "images that nothing annotates"),
    "split-neither": (INFO, "images that are in no split"),
    "size-scaled": (WARNING, "annotations made for another resolution"),
    "image-turned": (WARNING, "pictures that EXIF turns"),
    "image-converted": (INFO, "images that must be converted"),
    "image-long": (WARNING, "very large images"),
    "image-suffix": (INFO, "images under another suffix than they should have"),
    "path-elsewhere": (INFO, "paths of another machine"),
    "annotation-encoding": (WARNING, "annotations in a wrong encoding"),
    "image-shrunk": (INFO, "images that are shrunk"),
    "fixed": (INFO, "things that were repaired"),
    "note": (INFO, "things worth knowing"),
}


def severity_of(code: str) -> str:
    """How bad a kind is."""
    return KINDS[code][0]
