"""The examples made so far, kept until the data set is whole: an interrupted build goes on."""

from collections.abc import Iterator
from pathlib import Path

from data_prep.build.example_bytes import FORMAT_NUMBER, bytes_from_example, example_from_bytes
from data_prep.build.examples import PreparedExample
from data_prep.build.preparation import ExampleSource
from data_prep.readers.raw_dataset import RawSource
from tfseg.io.journal import Journal


class JournaledExamples:
    """Makes only the examples that an earlier, interrupted build of the same did not.

    Every example goes into the file as soon as it is made; a restarted build reads it back from
    there. Photos that were left out are looked at again: what was wrong may have been mended.

    Args:
        inner: makes the examples.
        path: the journal, made where it is missing; of this very build, or an earlier run of it.
    """

    def __init__(self, inner: ExampleSource, path: Path):
        self._inner = inner
        self._journal = Journal(path, "a build", FORMAT_NUMBER)
        self._known = self._journal.keys()

    def made(self, source: RawSource, image_ids: list[int]) -> Iterator[PreparedExample]:
        """Yields what becomes of each photo of a raw source, in that order."""
        fresh_ids = [image_id for image_id in image_ids if str(image_id) not in self._known]
        fresh = self._inner.made(source, fresh_ids)
        for image_id in image_ids:
            key = str(image_id)
            if key in self._known:
                yield example_from_bytes(self._journal[key])
            else:
                example = next(fresh)
                if example.image_id is not None:
                    self._journal.put(key, bytes_from_example(example))
                    self._known.add(key)
                yield example

    def close(self) -> None:
        """Ends what is underway; the file stays."""
        self._inner.close()
        self._journal.close()
