"""How a person's folders are read: what is a split, what a class, and what is passed over."""

import pytest

from cnnjax.config.knobs import ConfigError
from cnnjax.data.sources import layout


@pytest.fixture
def photos(tmp_path):
    """Makes empty files, and folders where a path ends in /, below a folder."""

    def make(*paths):
        for path in paths:
            there = tmp_path / path
            (there if path.endswith("/") else there.parent).mkdir(parents=True, exist_ok=True)
            if not path.endswith("/"):
                there.touch()
        return tmp_path

    return make


def read(root):
    found = layout.list_files("folder:PHOTOS", root)
    return {(label, split) for _, label, split in found.files}, found.notes


SPLIT_UP = [f"{split}/{label}/1.png" for split in ("train", "test") for label in ("cat", "dog")]
BOTH = {(label, split) for label in ("cat", "dog") for split in ("train", "test")}


def test_splits_above_classes_are_told_from_classes(photos):
    assert read(photos(*SPLIT_UP)) == (BOTH, ())


@pytest.mark.parametrize("name", ["docs", "unlabelled", "zebra"])
@pytest.mark.parametrize("empty", [True, False])
def test_one_more_folder_does_not_make_classes_of_splits(photos, name, empty):
    root = photos(*SPLIT_UP, f"{name}/", *([] if empty else [f"{name}/readme.txt"]))
    found, notes = read(root)
    assert found == BOTH
    assert any(f"folders without images, such as {name}" in note for note in notes)


@pytest.mark.parametrize("stranger", ["docs/1.png", "docs/figures/1.png", "cat/1.png"])
def test_a_folder_of_images_beside_splits_is_refused_with_what_to_do(photos, stranger):
    name = stranger.partition("/")[0]
    with pytest.raises(ConfigError, match=f"has {name} beside test: move it away if test is a"):
        read(photos(*SPLIT_UP, stranger))


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (("test/cat/1.png", "test/dog/1.png"), "has test alone, and there is no train"),
        (("train/1.png", "test/1.png"), "has test beside train, and there is no train with"),
        ((*SPLIT_UP, "val/cat/1.png", "valid/cat/1.png"), "has both val and valid"),
        ((*SPLIT_UP, "testing/cat/1.png"), "has both test and testing"),
        (("cat/train/1.png", "cat/test/1.png", "dog/train/1.png"), "has splits below cat"),
        (("all/cat/1.png", "all/dog/1.png"), "classes or splits, give folder:PHOTOS/all"),
        ([f"all/{path}" for path in SPLIT_UP], "has one folder, all, with 2 folders in it"),
    ],
)
def test_splits_that_cannot_be_told_are_refused(photos, paths, message):
    with pytest.raises(ConfigError, match=message):
        read(photos(*paths))


@pytest.mark.parametrize(
    "tops",
    [
        ("training_set", "test_set"), ("seg_train", "seg_test"), ("fold0", "fold1"), ("a", "b"),
        ("trainset", "valset", "testset"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("reverse", [False, True])
def test_folders_that_all_hold_the_same_folders_are_no_classes(photos, tops, reverse):
    pairs = [(top, label) for top in tops for label in ("cat", "dog")]
    root = photos(*("/".join([*pair[:: -1 if reverse else 1], "1.png"]) for pair in pairs))
    with pytest.raises(ConfigError, match=" all have folders .* call them train, validation and"):
        read(root)
    found = layout.list_files("folder:PHOTOS", root, grouped=True)  # as --group_by says
    assert {label for _, label, _ in found.files} == set(("cat", "dog") if reverse else tops)


def test_a_class_may_be_called_train(photos):
    found, notes = read(photos("train/1.png", "bus/1.png"))
    assert found == {("train", ""), ("bus", "")}
    assert notes == ("folder train is taken for a class: it has no folders of classes",)


@pytest.mark.parametrize("hidden", [
    "cat/.ipynb_checkpoints/1.png", ".thumbnails/cat/1.png", "cat/._1.png", ".cache/1.png",
    "cat/a/.b/c/1.png", "@eaDir/../.git/1.png",
])  # fmt: skip
def test_hidden_parts_of_a_path_are_passed_over(photos, hidden):
    root = photos("@eaDir/", "cat/1.png", "dog/1.png", hidden)
    files = layout.list_files("folder:PHOTOS", root).files
    assert sorted(path for path, _, _ in files) == ["cat/1.png", "dog/1.png"]


def test_what_is_dropped_is_counted_and_named(photos):
    root = photos("cat/1.png", "dog/1.png", "cat/notes.txt", "dog/raw.cr9", "dog/none", "loose.png")
    for name in ("a.png", "b.png"):
        (root / "cat" / name).symlink_to(root / "nowhere" / name)
    (root / "again").symlink_to(root, target_is_directory=True)
    _, notes = read(root)
    assert set(notes) == {
        "passed over 3 files without the ending of an image, such as cat/notes.txt",
        "passed over 2 links that lead nowhere, or no files, such as cat/a.png",
        "passed over 1 images in no folder of a class, such as loose.png",
    }


def test_links_to_folders_are_followed_once_also_where_two_lead_to_each_other(photos):
    root = photos("images/cat/1.png", "images/dog/1.png", "elsewhere/persian/1.png")
    (root / "images" / "cat" / "more").symlink_to(root / "elsewhere")
    (root / "elsewhere" / "back").symlink_to(root / "images" / "cat")
    listed = layout.list_files("folder:PHOTOS", root / "images")
    paths = [path for path, *_ in listed.files]
    assert paths == ["cat/1.png", "cat/more/persian/1.png", "dog/1.png"]
    said = "1 image is read through links out of the folder, such as cat/more/persian/1.png"
    assert said in listed.notes
    (root / "images" / "dog" / "2.png").symlink_to(root / "images" / "dog" / "1.png")
    (root / "images" / "dog" / "3.png").symlink_to(root / "elsewhere" / "persian" / "1.png")
    (note,) = (own for own in layout.list_files("folder:PHOTOS", root / "images").notes
               if "out of the folder" in own)  # fmt: skip
    assert note.startswith("2 images are read through links")


def test_names_of_classes_are_one_whatever_their_form(photos):
    found, _ = read(photos("train/caf\u00e9/1.png", "train/dog/1.png", "test/cafe\u0301/1.png"))
    assert {label for label, _ in found} == {"caf\u00e9", "dog"}
