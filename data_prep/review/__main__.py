"""Reviews automatic masks on a local page, least confident first, or with another tool.

python -m data_prep.review --dir=MASKS

MASKS is --out_dir of data_prep.auto_mask. Every decision is on disk at once; stop with Ctrl-C.
--export_coco=FILE writes what CVAT, Label Studio and FiftyOne read, --import_coco=FILE takes their
answer over.
"""

from pathlib import Path

from absl import flags

from tfseg.io import command_line

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    command_line.define_path("dir", None, "Folder that data_prep.auto_mask wrote.", required=True)
    command_line.define_path("photos_dir", None, "Folder of the photos; known from auto_mask.")
    flags.DEFINE_integer("port", 8600, "Port of the page; 0 for a free one.", 0, 65535)
    command_line.define_path("export_coco", None, "Write this COCO json and end.")
    flags.DEFINE_enum(
        "export_masks",
        "rle",
        ["rle", "polygons"],
        "How --export_coco writes masks; polygons for tools that read no RLE, as Label Studio.",
    )
    command_line.define_path("import_coco", None, "Take this COCO json's masks over and end.")


def main(argv: list[str]) -> None:
    """Reads the flags and serves the page, or exports or imports."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors("to go on"):
        from data_prep.auto_mask.store import JOURNAL_NAME, LOCK_NAME, MaskStore
        from data_prep.review import coco
        from tfseg.io.folder_lock import only_one

        masks_dir = Path(FLAGS.dir)
        if not (masks_dir / JOURNAL_NAME).is_file():
            raise ValueError(
                f"{masks_dir}: no {JOURNAL_NAME} here; expected --out_dir of "
                "python -m data_prep.auto_mask, run that first."
            )
        lock = only_one(masks_dir / LOCK_NAME, "auto_mask or review", "--dir")
        with lock, MaskStore(masks_dir) as store:
            if FLAGS.import_coco:
                counts = coco.import_coco(store, Path(FLAGS.import_coco))
                store.write()
                listed = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
                print(f"{masks_dir}: {listed or 'nothing to import'}")
            if FLAGS.export_coco:
                as_polygons = FLAGS.export_masks == "polygons"
                loss = coco.export_coco(store, Path(FLAGS.export_coco), as_polygons)
                lost = ""
                if loss is not None:
                    lost = f", polygons of mean IoU {loss.mean_iou:.3f} with the masks"
                    lost += f", worst {loss.worst_iou:.3f}"
                print(f"{FLAGS.export_coco}: {len(store.usable())} photos{lost}")
            if not (FLAGS.import_coco or FLAGS.export_coco):
                _serve(store, FLAGS.photos_dir, FLAGS.port)


def _serve(store, photos_dir: str | None, port: int) -> None:
    from data_prep.review.server import ReviewServer
    from data_prep.review.session import ReviewSession

    session = ReviewSession(store, Path(photos_dir) if photos_dir else store.photos_dir())
    server = ReviewServer(session, port)
    try:
        print(f"review at http://127.0.0.1:{server.server_address[1]}/", flush=True)
        server.serve_forever()
    except KeyboardInterrupt:
        print("\nall decisions are saved")
    finally:
        session.close()


if __name__ == "__main__":
    command_line.run(define_flags, main)
