import gzip
import pickle
import re
import sqlite3
import stat

import pytest

from data_prep.datasets.modanet.photos_table import read_post_ids
from data_prep.datasets.modanet.raw_files import PhotoStore, find_raw_files
from tests.data_prep.raw_modanet import many_photos, write_lmdb, write_photos_table


def test_find_raw_files_in_the_usual_places(tmp_path):
    raw_dir = many_photos(1).write(tmp_path / "raw")
    paths = find_raw_files(raw_dir)
    assert [str(path.relative_to(raw_dir)) for path in paths.files] == [
        "modanet/annotations/modanet2018_instances_train.json",
        "paperdoll/chictopia.sqlite3",
        "paperdoll/photos.lmdb/data.mdb",
    ]
    assert paths.challenge_json is None


def test_find_raw_files_in_places_of_their_own(tmp_path):
    for name in ("my.json", "modanet2018_instances_val.json", "data.mdb", "posts.db"):
        (tmp_path / name).touch()
    paths = find_raw_files(
        tmp_path / "nowhere",
        annotations=tmp_path / "my.json",
        photos_lmdb=tmp_path / "data.mdb",
        photos_db=tmp_path / "posts.db",
    )
    assert [path.name for path in paths.files] == [
        "my.json",
        "posts.db",
        "data.mdb",
        "modanet2018_instances_val.json",
    ]


@pytest.mark.parametrize(
    ("removed", "flag"),
    [
        ("modanet/annotations/modanet2018_instances_train.json", "--annotations"),
        ("paperdoll/photos.lmdb/data.mdb", "--photos_lmdb"),
        ("paperdoll/chictopia.sqlite3", "--photos_db"),
    ],
)
def test_find_raw_files_says_which_is_missing(tmp_path, removed, flag):
    raw_dir = many_photos(1).write(tmp_path / "raw")
    (raw_dir / removed).unlink()
    with pytest.raises(ValueError, match=f"{re.escape(removed)}: no such file.*{flag}"):
        find_raw_files(raw_dir)


def test_find_raw_files_without_the_folder(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such folder.*--raw_dir"):
        find_raw_files(tmp_path / "nowhere")


def test_photo_store_reads_by_decimal_id(tmp_path):
    write_lmdb(tmp_path / "photos.lmdb", {7: b"seven", 12: b"twelve"})
    store = pickle.loads(pickle.dumps(PhotoStore(tmp_path / "photos.lmdb")))
    assert store.read(12) == b"twelve"
    assert store.read(1) is None
    assert PhotoStore(tmp_path / "photos.lmdb" / "data.mdb").read(7) == b"seven"


def test_photo_store_needs_no_write_permission(tmp_path):
    folder = tmp_path / "photos.lmdb"
    write_lmdb(folder, {7: b"seven"})
    (folder / "lock.mdb").unlink()
    (folder / "data.mdb").chmod(stat.S_IRUSR)
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert PhotoStore(folder).read(7) == b"seven"
        assert [path.name for path in folder.iterdir()] == ["data.mdb"]
    finally:
        folder.chmod(stat.S_IRWXU)


def test_photo_store_refuses_what_is_not_an_lmdb(tmp_path):
    (tmp_path / "data.mdb").write_bytes(b"no LMDB" * 1000)
    with pytest.raises(ValueError, match="data.mdb: not an LMDB"):
        PhotoStore(tmp_path / "data.mdb").read(1)


def test_photo_store_refuses_an_empty_file(tmp_path):
    (tmp_path / "data.mdb").touch()
    with pytest.raises(ValueError, match="data.mdb: not an LMDB"):
        PhotoStore(tmp_path / "data.mdb").read(1)


def test_photo_store_refuses_an_lmdb_cut_short(tmp_path):
    write_lmdb(tmp_path / "photos.lmdb", {i: bytes(5000) for i in range(20)})
    path = tmp_path / "photos.lmdb" / "data.mdb"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=f"cut short, got {len(whole) // 2} bytes"):
        PhotoStore(tmp_path / "photos.lmdb").read(1)


def test_read_post_ids_joins_on_the_photo_id(tmp_path):
    write_photos_table(tmp_path / "posts #1?.sqlite3", {1: 10, 2: 20, 3: None})
    assert read_post_ids(tmp_path / "posts #1?.sqlite3", {2, 3, 4}) == {2: 20, 3: None}


def test_read_post_ids_refuses_what_is_not_sqlite(tmp_path):
    (tmp_path / "posts.sqlite3").write_bytes(b"CREATE TABLE photos" * 100)
    with pytest.raises(ValueError, match="posts.sqlite3: cannot read its table `photos`"):
        read_post_ids(tmp_path / "posts.sqlite3", {1})


def test_read_post_ids_refuses_a_database_without_photos(tmp_path):
    connection = sqlite3.connect(tmp_path / "posts.sqlite3")
    connection.execute("CREATE TABLE posts (id integer)")
    connection.close()
    with pytest.raises(ValueError, match="no such table: photos"):
        read_post_ids(tmp_path / "posts.sqlite3", {1})


DUMP = """PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE "posts" ("id" INTEGER PRIMARY KEY, "title" varchar(255));
INSERT INTO "posts" VALUES(1,'one; with
INSERT INTO photos of nobody');
CREATE TABLE "photos" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  "post_id" integer, "path" varchar(255) NOT NULL);
INSERT INTO "photos" VALUES(7,70,'/photos/7_400.jpg');
INSERT INTO "photos" VALUES(8,NULL,'/it''s;
8_400.jpg');
INSERT INTO "photos" VALUES(9,90,'/photos/9_400.jpg');
CREATE INDEX "by_post" ON "photos" ("post_id");
COMMIT;
"""


def test_read_post_ids_reads_the_gzipped_dump(tmp_path):
    path = tmp_path / "chictopia.sql.gz"
    path.write_bytes(gzip.compress(DUMP.encode()))
    assert read_post_ids(path, {7, 8, 10}) == {7: 70, 8: None}


@pytest.mark.parametrize(
    "damaged",
    [
        gzip.compress(DUMP.encode())[:-40],
        gzip.compress(DUMP.encode())[:3],
        gzip.compress(DUMP[:340].encode()),
        gzip.compress(b"nothing of the kind"),
        gzip.compress(DUMP.encode())[:30] + bytes(60) + gzip.compress(DUMP.encode())[90:],
    ],
    ids=["cut short", "almost empty", "ends within a statement", "no dump", "zeros inside"],
)
def test_read_post_ids_refuses_a_damaged_dump(tmp_path, damaged):
    path = tmp_path / "chictopia.sql.gz"
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"chictopia\.sql\.gz: cannot read its table `photos`"):
        read_post_ids(path, {7})


def test_find_raw_files_takes_the_dump_where_it_is_not_unpacked(tmp_path):
    raw_dir = many_photos(1).write(tmp_path)
    unpacked, packed = (raw_dir / "paperdoll" / f"chictopia.{s}" for s in ("sqlite3", "sql.gz"))
    packed.touch()
    assert find_raw_files(raw_dir).photos_db == unpacked
    unpacked.unlink()
    assert find_raw_files(raw_dir).photos_db == packed


def test_a_view_in_the_tables_place_is_not_read(tmp_path):
    """It could yield rows without end."""
    path = tmp_path / "chictopia.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE VIEW photos AS WITH RECURSIVE n(id) AS "
            "(SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id, id AS post_id FROM n"
        )
    connection.close()
    with pytest.raises(ValueError, match=r"sqlite3: cannot .*\(photos is a view, no"):
        read_post_ids(path, {1})
