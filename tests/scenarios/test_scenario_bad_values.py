"""Every kind of bad value in a scenario: one sentence each, at the right line."""

import pytest

CASES = [
    # what is replaced, what with, what is said
    ("name: small", "name: 7", "1: name: must be text (got 7)"),
    ("name: small", "name: a/b", "1: name: must be letters, digits, '.', '_' and '-', beginning"),
    ("name: small", "name: ''", '1: name: must not be empty (got "")'),
    ("seed: 3", "seed: -1", "2: seed: must be at least 0 (got -1)"),
    ("seed: 3", "seed: true", "2: seed: must be a whole number (got true)"),
    ("seed: 3", "seeds: [1, 2, 1]", "2: seeds: must not contain a value twice (got [1, 2, 1])"),
    ("seed: 3", "seeds: []", "2: seeds: must not be empty (got [])"),
    ("seed: 3", "seeds: 4", "2: seeds: must be a list (got 4)"),
    ("seed: 3", "seeds: [1, x]", '2: seeds.1: must be a whole number (got "x")'),
    ("seed: 3", "sede: 3", "2: sede: is an unknown key; did you mean 'seed'? (got 3)"),
    (
        "  dataset: digits",
        "  datset: digits",
        "4: data.datset: is an unknown key; did you mean 'dataset'? (got \"digits\")",
    ),
    (
        "name: vgg5",
        "name: mine.net",
        "is not a known model: your own is named package.module:Object; did you mean 'mine:net'? (got",
    ),
    ("  dataset: digits", "  dir: .", "3: data.dataset: is required (got nothing)"),
    (
        "dataset: digits",
        "dataset: digts",
        "4: data.dataset: is not a known data set; did you mean 'digits'? (got \"digts\")",
    ),
    ("dataset: digits", "dataset: null", "4: data.dataset: must be text (got null)"),
    (
        "dataset: digits",
        "dataset: {declared: {input_shape: [3], classes: 1000000000, train_samples: 10}}",
        "4: data.dataset.declared.classes: must be at most 1e+06 (got 1000000000)",
    ),
    (
        "dataset: digits",
        "dataset: {declared: {input_shape: [1000000000], classes: 2, train_samples: 10}}",
        "4: data.dataset.declared.input_shape: must be a shape of at most 100,000,000 numbers",
    ),
    (
        "partition: iid",
        "partition: idd",
        '5: data.partition: has the unknown choice "idd"; did you mean \'iid\'? (got "idd")',
    ),
    (
        "partition: iid",
        "partition: 4",
        "5: data.partition: must name one of iid, shards, dirichlet",
    ),
    (
        "partition: iid",
        "partition: {iid: {}, sizes: 4}",
        "5: data.partition: must name exactly one of iid, shards, dirichlet, sizes, quantity, file, "
        "users, by, not",
    ),
    (
        "partition: iid",
        "partition: {dirichlet: 0}",
        "5: data.partition.dirichlet: must be greater than 0 (got 0)",
    ),
    (
        "partition: iid",
        "partition: {dirichlet: {alpha: 1, min_sample: 3}}",
        "5: data.partition.dirichlet.min_sample: is an unknown key; did you mean 'min_samples'?",
    ),
    (
        "partition: iid",
        "partition: {shards: {size: 3}}",
        "5: data.partition.shards.per_client: is required (got nothing)",
    ),
    (
        "partition: iid",
        "partition: {sizes: [1, 2, 3, 4]}",
        "5: data.partition.sizes: must have 5 entries, one for each client, not 4",
    ),
    (
        "partition: iid",
        "partition: {sizes: [1, 2, -3, 4, 5]}",
        "5: data.partition.sizes.2: must be at least 1 (got -3)",
    ),
    ("partition: iid", "partition: {sizes: 0}", "5: data.partition.sizes: must be at least 1"),
    (
        "partition: iid",
        "partition: {sizes: 30}\n  train_samples: 149",
        "5: data.partition: needs 150 samples in total, more than the train_samples of 149",
    ),
    (
        "partition: iid",
        "partition: {shards: {per_client: 3, size: 10}}\n  train_samples: 149",
        "5: data.partition: needs 150 samples in total, more than the train_samples of 149",
    ),
    (
        "partition: iid",
        "train_samples: 4",
        "5: data.train_samples: must be at least 5, one sample for each client (got 4)",
    ),
    ("partition: iid", "test_fraction: 1", "5: data.test_fraction: must be less than 1 (got 1)"),
    ("partition: iid", "augment: some", "5: data.augment: must be true, false or a mapping"),
    (
        "partition: iid",
        "augment: {crop: 1}",
        "5: data.augment.crop: must be true or false (got 1)",
    ),
    ("name: vgg5", "name: vgg7", "6: model.name: is not a known model; did you mean 'vgg5'?"),
    (
        "name: vgg5",
        "name: zzzzzz",
        'known are vgg5, vgg11, resnet12, lenet, resnet18, alexnet (got "zzzzzz")',
    ),
    ("cut: 1", "cut: 1.0", "6: model.cut: must be a whole number (got 1.0)"),
    ("cut: 1", "cut: -1", "6: model.cut: must be at least 0 (got -1)"),
    (
        "model: {name: vgg5, cut: 1}",
        "model: {name: vgg5, cut: 1, trainable: [a], frozen: [b]}",
        "6: model.frozen: is not allowed together with trainable: each says what the other leaves",
    ),
    (
        "model: {name: vgg5, cut: 1}",
        "model: {name: vgg5, cut: 1, frozen: [b], lora: {rank: 1, alpha: 1, targets: [a]}}",
        "6: model.lora: is not allowed together with frozen: it freezes all but the adapters",
    ),
    (
        "model: {name: vgg5, cut: 1}",
        "model: {name: vgg5, cut: 1, lora: {rank: 0, alpha: 1, targets: [a]}, frozen_type: bfloat16}",
        "6: model.lora.rank: must be at least 1 (got 0)",
    ),
    (
        "model: {name: vgg5, cut: 1}",
        "model: {name: vgg5, cut: 1, frozen_type: bfloat16}",
        "6: model.frozen_type: has no effect where nothing is frozen: give trainable, frozen or lora",
    ),
    (
        "model: {name: vgg5, cut: 1}",
        "model: {name: vgg5, cut: 1, download_frozen: true}",
        "6: model.download_frozen: has no effect where nothing is frozen: give trainable, frozen",
    ),
    ("model: {name: vgg5, cut: 1}", "model: vgg5", '6: model: must be a mapping (got "vgg5")'),
    ("  rounds: 2\n", "", "7: training.rounds: is required (got nothing)"),
    ("rounds: 2", "rounds: 0", "8: training.rounds: must be at least 1 (got 0)"),
    ("rounds: 2", "rounds: '2'", '8: training.rounds: must be a whole number (got "2")'),
    (
        "clients_per_round: 3",
        "clients_per_round: 6",
        "9: training.clients_per_round: must be at most 5, the number of clients (got 6)",
    ),
    ("batch_size: 10", "batch_size: -10", "10: training.batch_size: must be at least 1 (got -10)"),
    (
        "batch_size: 10",
        "batch_size: 10\n  closing: {}",
        "11: training.closing: needs a deadline, first, or both (got {})",
    ),
    (
        "batch_size: 10",
        "batch_size: 10\n  closing: 60 s",
        '11: training.closing: must be a mapping (got "60 s")',
    ),
    (
        "batch_size: 10",
        "batch_size: 10\n  closing: {min_participants: 2}",
        "11: training.closing.min_participants: has no effect without a deadline: give",
    ),
    (
        "batch_size: 10",
        "batch_size: 10\n  closing: {deadline: 0 s}",
        "11: training.closing.deadline: ",
    ),
    (
        "batch_size: 10",
        "batch_size: 10\n  closing: {deadline: -3 s}",
        "11: training.closing.deadline: ",
    ),
    (
        "batch_size: 10",
        "batch_size: 10\n  closing: {deadline: 60}",
        "11: training.closing.deadline: the duration 60 has no unit",
    ),
    (
        "batch_size: 10",
        "batch_size: 10\n  closing: {first: 0}",
        "11: training.closing.first: must be at least 1 (got 0)",
    ),
    (
        "batch_size: 10",
        "batch_size: 10\n  closing: {first: 2.5}",
        "11: training.closing.first: must be a whole number (got 2.5)",
    ),
    (
        "batch_size: 10",
        "batch_size: 10\n  closing: {first: 4}",
        "11: training.closing.first: must be at most 3, the number of clients in a round (got 4)",
    ),
    (
        "batch_size: 10",
        "batch_size: 10\n  closing: {deadline: 1 s, first: 2, min_participants: 3}",
        "11: training.closing.min_participants: must be at most 2, the number of clients that",
    ),
    (
        "batch_size: 10",
        "batch_size: 10\n  closing: {deadline: 1 s, min_participants: 4}",
        "closing.min_participants: must be at most 3, the number of clients in a round (got 4)",
    ),
    (
        "batch_size: 10",
        "batch_size: 10\n  closing: {deadline: 1 s, min_participants: -1}",
        "11: training.closing.min_participants: must be at least 0 (got -1)",
    ),
    (
        "batch_size: 10",
        "batch_size: 10\n  closing: {deadlin: 1 s}",
        "11: training.closing.deadlin: is an unknown key; did you mean 'deadline'?",
    ),
    (
        "batch_size: 10",
        "batch_size: 10\n  closing: {deadline: 1 s, latest: next}",
        "11: training.closing.latest: is an unknown key; did you mean 'late'?",
    ),
    ("lr: 0.01", "lr: .inf", "11: training.optimizer.lr: must be a finite number"),
    ("lr: 0.01", "lr: 1e", '11: training.optimizer.lr: must be a number (got "1e")'),
    (
        "name: sgd",
        "name: sdg",
        "11: training.optimizer.name: must be sgd or adam; did you mean 'sgd'? (got \"sdg\")",
    ),
    (
        "name: sgd",
        "name: adam",
        "11: training.optimizer.momentum: is an option of sgd, not of adam",
    ),
    (
        "momentum: 0.9",
        "nesterov: true",
        "11: training.optimizer.nesterov: needs a momentum greater than 0 (got true)",
    ),
    (
        "batch_size: 10",
        "batch_size: 10\n  lr_schedule: {step: {milestones: [3, 2], gamma: 0.1}}",
        "11: training.lr_schedule.step.milestones: must increase from one value to the next",
    ),
    (
        "rounds: 2",
        "rounds: 2\n  targets: [80]",
        "9: training.targets.0: must be at most 1 (got 80)",
    ),
    (
        "topology:",
        "stop: {virtual_time: 90}\ntopology:",
        "12: stop.virtual_time: the duration 90 has no unit: expected a number with a unit",
    ),
    (
        "topology:",
        "devices: {server-8-core: {speed: 5 GFLOP/s}}\ntopology:",
        "12: devices.server-8-core: is the name of a device of the catalogue; choose another",
    ),
    (
        "topology:",
        "devices: {mine: {speed: 5 GFLOPS, memory: 1 GiB}}\ntopology:",
        "12: devices.mine.speed: 'GFLOPS' in '5 GFLOPS' is not a unit of a computing speed",
    ),
    (
        "topology:",
        "devices: {mine: {speed: 5 GFLOP/s, memory: 0 B}}\ntopology:",
        '12: devices.mine.memory: must be greater than 0 (got "0 B")',
    ),
    (
        "topology:",
        "transport: tpc\ntopology:",
        "12: transport: has the unknown choice \"tpc\"; did you mean 'tcp'?",
    ),
    (
        "topology:",
        "transport: {tcp: {slowstart: false}}\ntopology:",
        "12: transport.tcp.slowstart: is an unknown key; did you mean 'slow_start'?",
    ),
    (
        "topology:",
        "transport: {tcp: {window: 64}}\ntopology:",
        "12: transport.tcp.window: the size 64 has no unit",
    ),
    (
        "topology:",
        "transport: {tcp: {loss_model: vegas}}\ntopology:",
        '12: transport.tcp.loss_model: must be none, mathis, pftk or cubic (got "vegas")',
    ),
    (
        "topology:",
        "transport: {tcp: {rtt_bias: -1}}\ntopology:",
        "12: transport.tcp.rtt_bias: must be at least 0 (got -1)",
    ),
    (
        "topology:",
        "transport: {tcp: {rtt_bias: 300}}\ntopology:",
        "12: transport.tcp.rtt_bias: must be at most 10 (got 300)",
    ),
    ("  star:", "  tree:", '12: topology: has the unknown choice "tree"'),
    ("slots: 1", "discipline: fifo", "14: topology.star.server.slots: is required (got nothing)"),
    (
        "device: server-8-core",
        "device: server-8-cores",
        "14: topology.star.server.device: is not a known device; did you mean 'server-8-core'?",
    ),
    ("count: 2", "count: 0", "16: topology.star.clients.0.count: must be at least 1 (got 0)"),
    ("up: 10 Mbit/s", "up: 10", "16: topology.star.clients.0.link.up: the rate 10 has no unit"),
    ("up: 10 Mbit/s", "up: 10 Mbps", "is not a unit of a rate; did you mean 'Mbit/s'?"),
    (
        "up: 10 Mbit/s",
        "up: -1 B/s",
        "16: topology.star.clients.0.link.up: the rate '-1 B/s' is neg",
    ),
    ("up: 10 Mbit/s", "up: [1]", "link.up: must be a number with a unit, such as '10 Mbit/s'"),
    ("delay: 25 ms", "delay: 25 mss", "16: topology.star.clients.0.link.delay: 'mss' in '25 mss'"),
    (", delay: 25 ms", "", "16: topology.star.clients.0.link.delay: is required (got nothing)"),
    ("link: 4g", "link: 4gg", "17: topology.star.clients.1.link: is not a known link; did you"),
    ("link: 4g", "link: 4", "17: topology.star.clients.1.link: must be a link of the catalogue"),
    ("link: 4g", "link: mpsl-8", "has no known delay; write {name: mpsl-8, delay: 10 ms}"),
    ("link: 4g", "link: edpfl-hotspot", "17: topology.star.clients.1.link: is one medium for all"),
    (
        "link: 4g",
        "link: {rate: 1 MB/s, delay: 1 ms}",
        "17: topology.star.clients.1.link.duplex: is required (got nothing)",
    ),
    ("link: 4g", "link: 4g, name: [a]", "17: topology.star.clients.1.name: must be text"),
    (
        "    clients:",
        "    medium: {rate: unlimited}\n    clients:",
        "15: topology.star.medium.rate: must be limited here, such as '38 Mbit/s'",
    ),
    (
        "link: 4g}",
        "link: wifi-1-client}\n    medium: {rate: 9 MB/s}",
        "17: topology.star.clients.1.link: is half-duplex and cannot share a medium",
    ),
    ("  - classic_fl", "  - clasic_fl", "19: methods.0: is not a known method; did you mean 'clas"),
    (
        "  - classic_fl",
        "  - 7",
        "19: methods.0: must be a method's name or {name: {options}} (got 7",
    ),
    ("  - classic_fl", "  - label: x", '19: methods.0: must name exactly one method (got {"label"'),
    ("  - classic_fl", "  - {splitfed: , fedgkt: }", "19: methods.0: must name exactly one method"),
    ("  - classic_fl", "  - needy", "19: methods.0.needy.share: is required (got nothing)"),
    ("classic_fl", "{classic_fl: [2]}", "19: methods.0.classic_fl: must be a mapping of options"),
    ("{period: 3}", "{period: 0}", "20: methods.1.ecofed.period: must be at least 1 (got 0)"),
    (
        "{period: 3}",
        "{period: '3'}",
        '20: methods.1.ecofed.period: must be a whole number (got "3")',
    ),
    (
        "{period: 3}",
        "{period: 2.5}",
        "20: methods.1.ecofed.period: must be a whole number (got 2.5",
    ),
    (
        "{period: 3}",
        "{order: [1, a]}",
        '20: methods.1.ecofed.order.1: must be a whole number (got "a',
    ),
    (
        "{period: 3}",
        "{init: holisitc}",
        "20: methods.1.ecofed.init: must be random, partial or hol",
    ),
    (
        "{period: 3}",
        "{perod: 3}",
        "20: methods.1.ecofed.perod: is an unknown key; did you mean 'per",
    ),
    (
        "label: ours",
        "lable: ours",
        "21: methods.1.lable: is an unknown key beside a method; did you",
    ),
    ("label: ours", "label: 3", "21: methods.1.label: must be a line of text (got 3)"),
    (
        "label: ours",
        "label: classic_fl",
        "21: methods.1.label: must differ from the label of methods.0; write one beside the method",
    ),
]


@pytest.mark.parametrize(("old", "new", "said"), CASES)
def test_a_bad_value_is_one_problem(small, problems, old, new, said):
    assert old in small
    found = problems(small.replace(old, new, 1))
    matching = [line for line in found if said in line]
    assert len(matching) == 1, found
    assert matching[0].startswith("s.yaml:")
    consequences = ("is an unknown key", "is required", "is not a known")
    others = [line for line in found if line is not matching[0]]
    assert all(any(phrase in line for phrase in consequences) for line in others), others
