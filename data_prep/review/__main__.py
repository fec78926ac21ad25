"""Reviews automatic masks and predictions on a local page, or with another tool.

python -m data_prep.review --dir=MASKS   # --out_dir of data_prep.auto_mask, least confident first
python -m data_prep.review --dir=REVIEW  # --review_dir of tfseg.predict: several garments a photo

Every decision is on disk at once; stop with Ctrl-C.
--export_coco=FILE writes what CVAT, Label Studio and FiftyOne read, --import_coco=FILE takes their
answer over.
"""

import shlex
import sys
from pathlib import Path

from absl import flags

from tfseg.io import command_line

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    command_line.define_path(
        "dir", None, "Folder of data_prep.auto_mask or tfseg.predict.", required=True
    )
    command_line.define_path("photos_dir", None, "Folder of the photos; noted in --dir.")
    flags.DEFINE_integer("port", 8600, "Port of the page; 0 for a free one.", 0, 65535)
    flags.DEFINE_list(
        "add_categories", [], "Names that predictions may be given beside the set's: cape,vest."
    )
    command_line.define_path("export_coco", None, "Write this COCO json and end.")
    flags.DEFINE_enum(
        "export_masks",
        "rle",
        ["rle", "polygons"],
        "How --export_coco writes masks; polygons for tools that read no RLE, as Label Studio.",
    )
    flags.DEFINE_bool(
        "export_all", False, "Of predictions, export also photos that nobody has accepted."
    )
    command_line.define_path("import_coco", None, "Take this COCO json's masks over and end.")


def main(argv: list[str]) -> None:
    """Reads the flags and serves the page, or exports or imports."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors("to go on"):
        from data_prep.auto_mask.store import JOURNAL_NAME, LOCK_NAME, MaskStore
        from data_prep.readers.review_folder import is_review_folder
        from data_prep.review import coco
        from tfseg.io.folder_lock import only_one

        masks_dir = Path(FLAGS.dir)
        if is_review_folder(masks_dir):
            _review_garments(masks_dir)
            return
        if not masks_dir.is_dir():
            raise ValueError(f"--dir={masks_dir}: no such folder; give the one to review.")
        if not (masks_dir / JOURNAL_NAME).is_file():
            raise ValueError(
                f"{masks_dir}: no {JOURNAL_NAME} here; expected --out_dir of "
                "python -m data_prep.auto_mask, or --review_dir of python -m tfseg.predict; run "
                "that first."
            )
        lock = only_one(masks_dir / LOCK_NAME, "auto_mask or review", "--dir")
        with lock, MaskStore(masks_dir) as store:
            if FLAGS.import_coco:
                counts = coco.import_coco(store, Path(FLAGS.import_coco))
                store.write()
                print(f"{masks_dir}: {_listed(counts) or 'nothing to import'}")
            if FLAGS.export_coco:
                as_polygons = FLAGS.export_masks == "polygons"
                loss = coco.export_coco(store, Path(FLAGS.export_coco), as_polygons)
                print(f"{FLAGS.export_coco}: {len(store.usable())} photos{_lost(loss)}")
            if not (FLAGS.import_coco or FLAGS.export_coco):
                _review_products(store)


def _review_garments(review_dir: Path) -> None:
    """Serves the page of a review folder, or exports or imports."""
    from data_prep.review import coco
    from data_prep.review.garments import coco_import
    from data_prep.review.garments.server import GarmentServer
    from data_prep.review.garments.session import GarmentSession
    from data_prep.review.garments.store import GarmentStore
    from tfseg.io.folder_lock import only_one
    from tfseg.structures.review_predictions import LOCK_NAME

    lock = only_one(review_dir / LOCK_NAME, "predict or review", "--dir")
    with lock, GarmentStore(review_dir) as store:
        if FLAGS.import_coco:
            imported = coco_import.import_coco(store, Path(FLAGS.import_coco))
            print(f"{review_dir}: {_listed(imported) or 'nothing to import'}")
        if FLAGS.export_coco:
            as_polygons = FLAGS.export_masks == "polygons"
            store.exports_all = FLAGS.export_all
            loss = coco.export_coco(store, Path(FLAGS.export_coco), as_polygons)
            num_photos = len(store.exported())
            print(f"{FLAGS.export_coco}: {num_photos} photos{_lost(loss)}")
        print(f"{review_dir}: {_listed(store.counts())}", flush=True)
        if not (FLAGS.import_coco or FLAGS.export_coco):
            photos_dir = _photos_dir(store)
            more = [name.strip() for name in FLAGS.add_categories if name.strip()]
            _serve(GarmentServer(GarmentSession(store, photos_dir, more), FLAGS.port))


def _review_products(store) -> None:
    from data_prep.review.product_masks.server import ProductServer
    from data_prep.review.product_masks.session import ProductSession

    session = ProductSession(store, _photos_dir(store))
    try:
        _serve(ProductServer(session, FLAGS.port))
    finally:
        session.close()


def _photos_dir(store) -> Path:
    """Where the photos lie: as the flag says, or as the folder to review knows."""
    if not FLAGS.photos_dir:
        return store.photos_dir()
    if not Path(FLAGS.photos_dir).is_dir():
        raise ValueError(f"--photos_dir={FLAGS.photos_dir}: no such folder; give the photos'.")
    return Path(FLAGS.photos_dir)


def _serve(server) -> None:
    try:
        print(f"review at http://127.0.0.1:{server.server_address[1]}/", flush=True)
        server.serve_forever()
    except KeyboardInterrupt:
        after_echo = "\n" if sys.stdout.isatty() else ""  # a terminal has written ^C
        command = f"python -m data_prep.review --dir={shlex.quote(FLAGS.dir)}"
        if FLAGS.photos_dir:
            command += f" --photos_dir={shlex.quote(FLAGS.photos_dir)}"
        print(f"{after_echo}all decisions are saved; to go on: {command}")


def _listed(counts) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


def _lost(loss) -> str:
    """What coco.PolygonLoss says, for people."""
    if loss is None:
        return ""
    worst = f"worst {loss.worst_iou:.3f}"
    return f", polygons of mean IoU {loss.mean_iou:.3f} with the masks, {worst}"


if __name__ == "__main__":
    command_line.run(define_flags, main)
