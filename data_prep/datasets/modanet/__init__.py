"""ModaNet with PaperDoll's photos."""

RAW_PATH_FLAGS = {
    "annotations": "The jsons' folder, or the train json.",
    "photos_lmdb": "PaperDoll's photos.lmdb.",
    "photos_db": "PaperDoll's chictopia.sqlite3 or chictopia.sql.gz.",
}
