"""Converts annotations: masks and categories of photos from one tool's format to another's.

python -m data_prep.convert --from=cvat_xml --to=coco annotations.xml masks.json --photos_dir=PHOTOS

Formats: coco, cvat_xml (for images, 1.1), label_studio (json), labelme (a json a photo), yolo_seg.
Masks stay equal where the format holds pixels; where it holds polygons alone, the IoU is printed.
"""

import sys
from pathlib import Path

from absl import flags

from tfseg.io import command_line

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    from data_prep.convert.annotation_formats import FORMATS

    FLAGS.set_gnu_getopt(True)  # the paths may stand between the flags
    flags.DEFINE_enum("from", None, list(FORMATS), "The input's format; told by it unless given.")
    flags.DEFINE_enum("to", None, list(FORMATS), "The output's format.", required=True)
    command_line.define_path("input", None, "File or folder to read; or the first argument.")
    command_line.define_path(
        "output",
        None,
        "File to write, for labelme and yolo_seg a new folder; or the second argument. Beside the "
        "input, with the format in its name, unless given.",
    )
    command_line.define_path(
        "photos_dir",
        None,
        "Folder of the photos: their names become those of the files there, whatever a tool made "
        "of them.",
    )
    flags.DEFINE_enum(
        "masks",
        "source",
        ["source", "rle", "polygons", "one_polygon"],
        "source: polygons stay polygons and pixels pixels, where the format can; or all as one. "
        "one_polygon joins a garment's parts, for tools that read its first polygon alone.",
    )
    flags.DEFINE_string(
        "url_prefix",
        "/data/local-files/?d=",
        "label_studio: what is before a photo's name where Label Studio finds it.",
    )
    flags.DEFINE_bool("copy_photos", False, "labelme, yolo_seg: copy the photos into the output.")
    flags.DEFINE_bool("overwrite", False, "Replace a file that is there.")
    flags.DEFINE_float(
        "max_bad_percent",
        5.0,
        "More photos, or annotations, that cannot be used stop the conversion.",
        0,
        100,
    )


def main(argv: list[str]) -> None:
    """Reads the flags, converts, tells what was lost."""
    with command_line.one_line_errors():
        from data_prep.convert.run import ConversionOptions, convert

        source_path, target_path = _paths(argv[1:])
        source = FLAGS["from"].value or _told_format(source_path)
        options = ConversionOptions(
            Path(FLAGS.photos_dir) if FLAGS.photos_dir else None,
            FLAGS.masks,
            FLAGS.url_prefix,
            FLAGS.copy_photos,
            FLAGS.overwrite,
            FLAGS.max_bad_percent,
        )
        report = convert(source, source_path, FLAGS.to, target_path, options)
        for line in report.lines():
            print(line, file=sys.stderr)
        print(f"{target_path}: {report.num_photos} photos, {report.num_garments} masks")


def _paths(arguments: list[str]) -> tuple[Path, Path]:
    from data_prep.convert.annotation_formats import format_named

    given = [FLAGS.input, FLAGS.output]
    for argument in arguments:
        if None not in given:
            sys.exit(
                f"error: unexpected argument {argument!r}; expected INPUT and OUTPUT (--help)."
            )
        given[given.index(None)] = str(Path(argument).expanduser())
    if given[0] is None:
        raise ValueError(
            "nothing to read: give a file or folder as the first argument, or --input."
        )
    source = Path(given[0])
    if given[1] is not None:
        return source, Path(given[1])
    ending = format_named(FLAGS.to).ending or f"_{FLAGS.to}"
    return source, source.with_name(source.stem + ending)


def _told_format(path: Path) -> str:
    from data_prep.convert.annotation_formats import FORMATS, format_of

    if not path.exists():
        raise ValueError(f"{path}: no such file or folder; give it as --input.")
    if path.is_file() and not path.stat().st_size:
        raise ValueError(f"{path}: an empty file, expected annotations; export it again.")
    found = format_of(path)
    if found is None:
        raise ValueError(f"{path}: of no format known here; give --from={'|'.join(FORMATS)}.")
    return found


if __name__ == "__main__":
    command_line.run(define_flags, main)
