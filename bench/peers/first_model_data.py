"""The six data sets of first-model.ts, as float32 .npy of rows and int32 .npy of classes.

By itself: python first_model_data.py FOLDER [FASHION_MNIST_FOLDER]
"""

import gzip
import pathlib
import sys

import numpy as np

BROWN = pathlib.Path(__file__).parents[1] / "data" / "brown-minilm"
SMALL = ("iris", "wine", "breast_cancer", "digits")
FASHION_ROWS = 10_000


def read_idx(path, header_bytes):
    with gzip.open(path) as file:
        return np.frombuffer(file.read()[header_bytes:], dtype=np.uint8)


def read_images(path):
    return read_idx(path, 16).reshape(-1, 28 * 28)


def brown():
    """Its own split, by document."""
    labels = {part: (BROWN / f"{part}_labels.txt").read_text().split("\n") for part in ("train", "test")}
    classes = sorted({genre for genre in labels["train"] if genre})
    number = {genre: index for index, genre in enumerate(classes)}
    for part in ("train", "test"):
        rows = np.load(BROWN / f"{part}_x.npy").astype(np.float32)
        yield part, rows, [number[genre] for genre in labels[part] if genre]


def small(name, seed):
    """Three quarters for training, as many of each class as there are."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    rows, classes = getattr(datasets, f"load_{name}")(return_X_y=True)
    split = train_test_split(rows, classes, test_size=0.25, random_state=seed, stratify=classes)
    yield "train", split[0], split[2]
    yield "test", split[1], split[3]


def fashion(folder):
    """The first 10,000 images, as they are: 0 to 255."""
    for part, prefix in (("train", "train"), ("test", "t10k")):
        rows = read_images(folder / f"{prefix}-images-idx3-ubyte.gz")[:FASHION_ROWS]
        yield part, rows, read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", 8)[:FASHION_ROWS]


def write(folder, name, parts):
    """Files NAME-train-x.npy and its like; what they hold."""
    shape = {}
    for part, rows, classes in parts:
        rows, classes = np.ascontiguousarray(rows, np.float32), np.asarray(classes, np.int32)
        np.save(folder / f"{name}-{part}-x.npy", rows)
        np.save(folder / f"{name}-{part}-y.npy", classes)
        shape.setdefault("rows", len(rows))
        shape.setdefault("features", rows.shape[1])
        shape["classes"] = max(shape.get("classes", 0), int(classes.max()) + 1)
    return {"name": name, **shape}


def write_all(folder, fashion_folder=None, seed=0):
    """Fashion-MNIST only where its folder is given."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    sets = [write(folder, "brown-minilm", brown())]
    sets += [write(folder, name.replace("_", "-"), small(name, seed)) for name in SMALL]
    if fashion_folder is not None:
        sets.append(write(folder, "fashion-mnist", fashion(pathlib.Path(fashion_folder))))
    return sets


if __name__ == "__main__":
    for written in write_all(*sys.argv[1:3]):
        print(written)
