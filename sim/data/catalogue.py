"""The data sets known by name, declared without reading files.

Counts per class are those of the official distributions: CIFAR (Krizhevsky, 2009), MNIST (LeCun,
Cortes and Burges), Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017), and the digits included in
scikit-learn (the test part of Optical Recognition of Handwritten Digits, Alpaydin and Kaynak,
CC BY 4.0). Means and standard deviations are the commonly used values for training pixels before
padding; those of digits are for all images at 32 x 32.
"""

from cutlayer.sim.data.info import DatasetInfo
from cutlayer.sim.data.readers import digits

RGB32 = (3, 32, 32)
GREY28 = (1, 28, 28)

CIFAR10_CLASSES = "airplane automobile bird cat deer dog frog horse ship truck"
FASHION_CLASSES = (
    "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot"
)
CIFAR100_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile
cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp
lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom
oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake
spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor
train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""

DATASETS: dict[str, DatasetInfo] = {
    info.name: info
    for info in (
        DatasetInfo(
            name="digits",
            input_shape=RGB32,
            train_counts=(178, 182, 177, 183, 181, 182, 181, 179, 174, 180),
            test_counts=(0,) * 10,
            mean=(0.3052,) * 3,
            std=(0.3236,) * 3,
            class_names=tuple("0123456789"),
            checksum=f"digits:{digits.CONTENT}",
            has_test=False,
        ),
        DatasetInfo(
            name="cifar10",
            input_shape=RGB32,
            train_counts=(5000,) * 10,
            test_counts=(1000,) * 10,
            mean=(0.4914, 0.4822, 0.4465),
            std=(0.2470, 0.2435, 0.2616),
            class_names=tuple(CIFAR10_CLASSES.split()),
            checksum="cifar10",
        ),
        DatasetInfo(
            name="cifar100",
            input_shape=RGB32,
            train_counts=(500,) * 100,
            test_counts=(100,) * 100,
            mean=(0.5071, 0.4865, 0.4409),
            std=(0.2673, 0.2564, 0.2762),
            class_names=tuple(CIFAR100_CLASSES.split()),
            checksum="cifar100",
        ),
        DatasetInfo(
            name="mnist",
            input_shape=RGB32,
            train_counts=(5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
            test_counts=(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
            mean=(0.1307,) * 3,
            std=(0.3081,) * 3,
            class_names=tuple("0123456789"),
            checksum="mnist",
        ),
        DatasetInfo(
            name="fashion_mnist",
            input_shape=RGB32,
            train_counts=(6000,) * 10,
            test_counts=(1000,) * 10,
            mean=(0.2860,) * 3,
            std=(0.3530,) * 3,
            class_names=tuple(FASHION_CLASSES.split(", ")),
            checksum="fashion_mnist",
        ),
    )
}

# The image shapes of sets that are available in more than the declared one.
SHAPES: dict[str, tuple[tuple[int, ...], ...]] = dict.fromkeys(
    ("mnist", "fashion_mnist"), (RGB32, GREY28)
)
