"""Tensors of TensorFlow and PyTorch as columns: detached, on the host, dense where that is one value a row."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from streamgauge.tracer.inputs.columns import Column, Refusal, of_rows

Read = Callable[[Any], Column]
_SPARSE: Final = ("torch.sparse_csr", "torch.sparse_csc", "torch.sparse_bsr", "torch.sparse_bsc")
_NUMPY: Final = ("float", "double", "half", "int", "uint", "bool", "long", "short")  # what torch gives NumPy as it is


def of_torch(values: Any, read: Read) -> Column:
    """A tensor of any dtype and layout; of a sparse (n, d) one, the columns that are set are the values of a row."""
    if not hasattr(values, "detach"):
        raise Refusal(f"a {type(values).__name__} is no column; give a tensor")
    tensor = values.detach()
    if hasattr(tensor, "to_local"):  # a DTensor: what this rank holds, without asking the others
        tensor = tensor.to_local()
    if tensor.is_meta:
        raise Refusal("a tensor on the meta device has no values")
    if tensor.is_nested:
        return read([read(row) for row in tensor.unbind()])
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.is_sparse or str(tensor.layout) in _SPARSE:
        return _set_columns(tensor, read)
    return read(numpy_of(tensor))


def of_tensorflow(values: Any, read: Read) -> Column:
    """An eager, ragged or sparse tensor, or a variable."""
    kind = type(values).__name__
    if kind == "RaggedTensor":
        return _ragged(values, read)
    if kind in ("SparseTensor", "SparseTensorValue"):
        return _values_of_rows(values, read)
    if kind == "IndexedSlices":
        raise Refusal("an IndexedSlices is no column; give its values")
    if not hasattr(values, "numpy"):
        raise Refusal("a symbolic tensor has no values yet; call the tracer outside of tf.function")
    return read(np.asarray(values.numpy()))


def numpy_of(tensor: Any) -> Any:
    """A tensor of PyTorch as an array; dense, on the host."""
    if tensor.layout != sys.modules["torch"].strided:
        tensor = tensor.to_dense()
    if not str(tensor.dtype).removeprefix("torch.").startswith(_NUMPY) or "float8" in str(tensor.dtype):
        if tensor.dtype.is_complex:
            raise Refusal("complex numbers have no order; give their real part, or their size")
        tensor = tensor.float()  # bfloat16 and float8 have no form in NumPy
    return tensor.numpy(force=True)


def _set_columns(tensor: Any, read: Read) -> Column:
    if tensor.ndim != 2:
        return read(numpy_of(tensor))
    tensor = tensor.to_sparse_coo().coalesce()
    rows, columns = tensor.indices().numpy(force=True)
    lengths = np.bincount(rows, minlength=tensor.shape[0]).astype(np.int64)
    return of_rows(np.array(columns), lengths, np.asarray(numpy_of(tensor.values()), np.float64))


def _ragged(values: Any, read: Read) -> Column:
    """Rows within rows are laid flat."""
    if values.ragged_rank > 1:
        values = values.merge_dims(1, values.ragged_rank)
    lengths = np.asarray(values.row_lengths().numpy(), np.int64)
    return of_rows(read(np.asarray(values.values.numpy())), lengths)


def _values_of_rows(values: Any, read: Read) -> Column:
    """What `tf.io.VarLenFeature` gives: the values of each row, in the row's order."""
    indices, shape = np.asarray(values.indices), np.asarray(values.dense_shape)
    order = np.argsort(indices[:, 0], kind="stable")
    lengths = np.bincount(indices[:, 0], minlength=int(shape[0])).astype(np.int64)
    return of_rows(read(np.asarray(values.values)[order]), lengths)

