"""What methods need of the data beside images and labels."""

from kerastl.data.array_batches import ArrayBatches
from kerastl.data.sample_filter import FilteredBatches
from kerastl.data.sample_filter import SampleFilter
from kerastl.data.with_index import with_index
from kerastl.data.with_unlabelled import with_unlabelled

__all__ = [
    "ArrayBatches",
    "FilteredBatches",
    "SampleFilter",
    "with_index",
    "with_unlabelled",
]
