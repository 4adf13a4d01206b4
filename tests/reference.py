"""Operations written from their definitions in NumPy and float64, for tests to compare with."""

import numpy as np

FILLS = {"zero": "constant", "partial": "constant", "edge": "edge", "reflect": "reflect",
         "circular": "wrap"}  # fmt: skip


def border(size, span, stride, padding, explicit=0):
    if padding == "SAME":
        total = max((-(-size // stride) - 1) * stride + span - size, 0)
        return total // 2, total - total // 2
    if padding == "CEIL":
        starts = [0]
        while starts[-1] + span < size and starts[-1] + stride < size:
            starts.append(starts[-1] + stride)
        return 0, max(starts[-1] + span - size, 0)
    amount = {"VALID": 0, "HALF": (span - 1) // 2, "FULL": span - 1, "explicit": explicit}[padding]
    return amount, amount


def windows(maps, window, stride, padding, explicit=(0, 0), dilation=1, fill="zero"):
    """Yields (row, column, cells [N, h, w, C], on_map [h, w]) for each window of the output."""
    maps = np.asarray(maps, np.float64)
    pads = [
        border(size, dilation * (cells - 1) + 1, stride, padding, amount)
        for size, cells, amount in zip(maps.shape[1:3], window, explicit, strict=True)
    ]
    padded = np.pad(maps, [(0, 0), *pads, (0, 0)], mode=FILLS[fill])
    inside = np.pad(np.ones(maps.shape[1:3]), pads)
    rows, columns = (
        (size - dilation * (cells - 1) - 1) // stride + 1
        for size, cells in zip(padded.shape[1:3], window, strict=True)
    )
    for i in range(rows):
        for j in range(columns):
            vertical = i * stride + dilation * np.arange(window[0])
            horizontal = j * stride + dilation * np.arange(window[1])
            place = np.ix_(vertical, horizontal)
            yield i, j, padded[:, vertical][:, :, horizontal], inside[place]


def gather(entries):
    """An array [N, rows, columns, C] from (row, column, values [N, C])."""
    entries = list(entries)
    rows, columns = (1 + max(entry[axis] for entry in entries) for axis in (0, 1))
    output = np.zeros((len(entries[0][2]), rows, columns, entries[0][2].shape[-1]))
    for i, j, values in entries:
        output[:, i, j] = values
    return output


def conv2d(images, kernel, stride, padding, explicit=(0, 0), fill="zero", dilation=1, groups=1):
    kernel = np.asarray(kernel, np.float64)
    channels, features = kernel.shape[2], kernel.shape[3]

    def cell(cells, inside):
        outputs = []
        for feature in range(features):
            first = feature // (features // groups) * channels
            seen = cells[..., first : first + channels]
            outputs.append((seen * kernel[..., feature]).sum(axis=(1, 2, 3)))
        scale = inside.size / inside.sum() if fill == "partial" and inside.any() else 1
        return np.stack(outputs, axis=-1) * scale

    found = windows(images, kernel.shape[:2], stride, padding, explicit, dilation, fill)
    return gather((i, j, cell(cells, inside)) for i, j, cells, inside in found)


def local2d(images, kernel, window, stride, padding):
    kernel = np.asarray(kernel, np.float64)
    return gather(
        (i, j, cells.reshape(len(cells), -1) @ kernel[i, j])
        for i, j, cells, _ in windows(images, window, stride, padding)
    )


def pool(maps, size, stride, padding, reduce):
    """`reduce(cells [N, k, C])` of the cells of each window that lie on the map."""

    def cell(cells, inside):
        flat = cells.reshape(len(cells), -1, cells.shape[-1])
        return reduce(flat[:, inside.ravel() == 1])

    found = windows(maps, (size, size), stride, padding)
    return gather((i, j, cell(cells, inside)) for i, j, cells, inside in found)
