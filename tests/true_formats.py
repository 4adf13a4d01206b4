"""Small data sets in the files' true formats, and a server on the loopback that offers them."""

import contextlib
import gzip
import hashlib
import http.server
import io
import pathlib
import struct
import tarfile
import threading
from collections import Counter

import numpy as np
from PIL import Image

MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def make_images(count, shape, seed=0):
    """Images [count, *shape] uint8 of ten classes whose brightness tells them apart."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 10
    noise = rng.integers(0, 30, (count, *shape))
    return (noise + 20 * labels.reshape(-1, *[1] * len(shape))).astype(np.uint8), labels


def write_idx(path, values):
    """An array of bytes in the format of MNIST's files, gzipped if the name says so."""
    head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    raw = head + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(raw, 1, mtime=0) if path.suffix == ".gz" else raw)


def write_mnist(folder, counts=(200, 60)):
    """MNIST's four files; images [n, 28, 28, 1] and labels of train and test."""
    folder.mkdir(parents=True, exist_ok=True)
    sets = {}
    for seed, (prefix, count) in enumerate(zip(("train", "t10k"), counts, strict=True)):
        images, labels = make_images(count, (28, 28), seed)
        write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", labels)
        sets[prefix] = images[..., None], labels
    return sets


def write_cifar10(folder, per_file=20):
    """CIFAR-10's archive of binary files; images [n, 32, 32, 3] and labels of train and test."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
    parts = {}
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as archive:

        def add(name, raw):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))

        for seed, name in enumerate(names):
            images, labels = make_images(per_file, (32, 32, 3), seed)
            planes = images.transpose(0, 3, 1, 2).reshape(per_file, -1)
            add(name, np.hstack([labels[:, None], planes]).astype(np.uint8).tobytes())
            parts[name] = images, labels
        add("batches.meta.txt", "\n".join(CIFAR10_CLASSES).encode() + b"\n")
    train = [np.concatenate([parts[name][which] for name in names[:5]]) for which in (0, 1)]
    return {"train": tuple(train), "test": parts["test_batch.bin"]}


def encode(pixels, format="JPEG", **options):
    """An image file as bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format, **options)
    return buffer.getvalue()


def make_photo(label, rng):
    """A JPEG of some size between 40 and 80, whose hue tells its class."""
    height, width = rng.integers(40, 80, 2)
    pixels = rng.integers(0, 60, (height, width, 3))
    pixels[..., label % 3] += 60 * (1 + label // 3)
    return encode(pixels.astype(np.uint8), quality=90)


def write_imagenet(folder, classes, per_class=6, validation=5):
    """ImageNet's two archives as they come: tars of tars by class, and one of the validation."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)

    def add(archive, name, raw):
        member = tarfile.TarInfo(name)
        member.size = len(raw)
        archive.addfile(member, io.BytesIO(raw))

    with tarfile.open(folder / "ILSVRC2012_img_train.tar", "w") as archive:
        for label, name in enumerate(classes):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as own:
                for number in range(per_class):
                    add(own, f"{name}_{number}.JPEG", make_photo(label, rng))
            add(archive, f"{name}.tar", inner.getvalue())
    with tarfile.open(folder / "ILSVRC2012_img_val.tar", "w") as archive:
        for number in range(1, validation + 1):
            add(archive, f"ILSVRC2012_val_{number:08}.JPEG", make_photo(number % 3, rng))


def write_folder(root, splits=("train", "val"), classes=3, per_class=8):
    """JPEGs of many sizes, laid out as ImageNet is: split, class, files."""
    rng = np.random.default_rng(1)
    for split in splits:
        for label in range(classes):
            own = root / split / f"n{label:08}"
            own.mkdir(parents=True, exist_ok=True)
            for number in range(per_class):
                (own / f"{number}.JPEG").write_bytes(make_photo(label, rng))
    return root


def published(path):
    """Size and checksum of a file, as TFDS states them."""
    raw = path.read_bytes()
    return [len(raw), hashlib.sha256(raw).hexdigest(), path.name]


class Host:
    """A download host: gives `files` by name, counts requests, and fails as it is told."""

    def __init__(self, port):
        self.port = port
        self.files: dict[str, bytes] = {}
        self.requests = Counter()
        self.cut: dict[str, int] = {}  # name -> bytes after which the connection is dropped
        self.asked = threading.Event()
        self.go_on = threading.Event()  # nothing is sent before
        self.go_on.set()

    def offer(self, folder: pathlib.Path):
        self.files |= {path.name: path.read_bytes() for path in folder.iterdir()}


@contextlib.contextmanager
def serve():
    """A Host on the loopback."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.rpartition("/")[2]
            host.requests[name] += 1
            host.asked.set()
            host.go_on.wait(20)
            if name not in host.files:
                self.send_error(404)
                return
            raw = host.files[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(raw[: host.cut.get(name)])

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host = Host(server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield host
    finally:
        host.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()
