"""What we use of TFDS beyond its documentation, in the only place that does so.

Documented is how a builder says what its examples are; how they are shuffled, cut into shards and
written is not, and its modules below tensorflow_datasets.core are no interface.
tests/data_prep/build/test_tfds_compat.py sees each of these take effect in the installed release.
"""

import abc
from collections.abc import Callable, Iterable

import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core import shuffle, writer
from tensorflow_datasets.core.utils import shard_utils

# TFDS holds this many bytes before it sorts by way of temporary files. Its own 1 GB would let
# memory grow with the data set for long; its own 1000 files reach the usual limit of open ones.
# Neither changes what is written.
_SHUFFLE_BUFFER_BYTES = 8 << 20
_SHUFFLE_NUM_FILES = 256


def shuffle_in_little_memory() -> None:
    """Bounds what TFDS's shuffling holds in memory and how many files it opens.

    Both are constants of a module. Were they read elsewhere, or renamed, the build of a large data
    set would take up to a gigabyte more and stop at a limit of 1,024 open files.
    """
    shuffle.MAX_MEM_BUFFER_SIZE = _SHUFFLE_BUFFER_BYTES
    shuffle.BUCKETS_NUMBER = _SHUFFLE_NUM_FILES


class SmallSplitsDownloadConfig(tfds.download.DownloadConfig):
    """Gives a split with fewer examples than shards fewer shards, where TFDS stops.

    num_shards is one for all splits, and the class that counts them for each is not documented.
    Were it no longer asked, a build with such a split would end in an AssertionError.
    """

    def get_shard_config(self) -> shard_utils.ShardConfig:
        """Returns what counts the shards of a split."""
        return _ShardConfig(num_shards=self.num_shards)


class _ShardConfig(shard_utils.ShardConfig):
    def get_number_shards(self, total_size, num_examples, uses_precise_sharding=True) -> int:
        number = super().get_number_shards(total_size, num_examples, uses_precise_sharding)
        return min(number, num_examples)


class DeterministicWriter(writer.ExampleWriter):
    """Puts each record's features in a fixed order; protobuf's own differs from run to run.

    TFDS serializes itself. Were its writers called in another way, equal raw files would no longer
    give equal bytes.
    """

    def write(self, path, examples: Iterable[tuple[object, bytes]]):
        """Writes the records of a shard; see ExampleWriter.write."""
        ordered = (
            (key, tf.train.Example.FromString(record).SerializeToString(deterministic=True))
            for key, record in examples
        )
        return super().write(path, ordered)


class Builder(tfds.core.GeneratorBasedBuilder):
    """A builder that writes with DeterministicWriter and does work beside its shards."""

    def dataset_info_from_configs(self, **kwargs) -> tfds.core.DatasetInfo:
        """See GeneratorBasedBuilder; without the look into Google's bucket for a published one.

        It finds nothing of ours, and for each builder it leaves an empty folder among the temporary
        files. Were it renamed, these folders would be back.
        """
        info = super().dataset_info_from_configs(**kwargs)
        info.initialize_from_bucket = lambda: None
        return info

    @abc.abstractmethod
    def write_all(self, write_shards: Callable[[], None]) -> None:
        """Has the shards written, and does what must be done before or after.

        It is called in download_and_prepare while `data_dir` is the incomplete folder, which TFDS
        renames when this has returned: what is put there is complete when the shards are.

        Args:
            write_shards: Calls _split_generators and writes what that gives.
        """

    def _download_and_prepare(self, *args, **kwargs) -> None:
        """Were this renamed, there would be shards and no report, and the build fail at its end.

        The public download_and_prepare begins before the incomplete folder and ends behind it.
        """
        self.write_all(lambda: super(Builder, self)._download_and_prepare(*args, **kwargs))

    def _example_writer(self) -> writer.ExampleWriter:
        """TFDS's own docstring says to put another writer here; its name has the underscore."""
        return DeterministicWriter(file_format=self.info.file_format)
