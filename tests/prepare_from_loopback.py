"""cnnjax.data.sources.prepare for tests: downloads come from the loopback, and MNIST is small.

The environment's LOOPBACK says, as JSON: `port` of the host, `published` sizes and checksums by
address, `counts` of MNIST's images, and `most_bytes` that one file on the disk may have.
"""

import json
import os
import resource
import sys

import requests
from tensorflow_datasets.core.download import checksums
from tensorflow_datasets.image_classification import mnist

from cnnjax.data.sources import prepare

settings = json.loads(os.environ["LOOPBACK"])
mnist._TRAIN_EXAMPLES, mnist._TEST_EXAMPLES = settings.get("counts", (200, 60))
get, load_infos = requests.Session.get, checksums.load_url_infos


def get_from_loopback(self, url, **options):
    return get(self, f"http://127.0.0.1:{settings['port']}/{url.rpartition('/')[2]}", **options)


def load_small(path):
    infos = load_infos(path)
    for url, (size, checksum, name) in settings.get("published", {}).items():
        if url in infos:
            infos[url] = checksums.UrlInfo(size=size, checksum=checksum, filename=name)
    return infos


requests.Session.get = get_from_loopback
checksums.load_url_infos = load_small
if "most_bytes" in settings:
    resource.setrlimit(resource.RLIMIT_FSIZE, (settings["most_bytes"],) * 2)
prepare.run(sys.argv[1:])
