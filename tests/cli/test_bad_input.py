"""Whatever can't be is refused: status 2, one line that names it, and nothing written."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.analysis.made import SMALL as ARCH
from tests.analysis.made import config_of, grid_of
from tests.conftest import Program
from tests.goldens.made import write

NET = {"block": "basic", "stem_width": 8, "stages": [{"width": 8, "depth": 1}]}
GREY = NET | {"in_channels": 1}
BEGIN = "search --budget 100k --dataset digits --trials 1"
FOLDER = "search --budget 100k --trials 1 --dataset folder --data-dir images"
Files = Mapping[str, str | bytes]
Row = tuple[str, str, Files]


def row(words: str, says: str, **files: str | bytes) -> Row:
    """A command line, what its complaint has to contain, and files to write first."""
    return words, says, {name.replace("__", "/").replace("_", "."): files[name] for name in files}


def net(says: str, **changes: object) -> Row:
    """An arch file that can't be."""
    return row("count net.json", f"net.json: {says}", net_json=json.dumps(NET | changes))


def stage(says: str, **changes: object) -> Row:
    return net(says, stages=[{"width": 8, "depth": 1, **changes}])


def space(says: str, toml: str) -> Row:
    return row(f"{BEGIN} --space s.toml", f"s.toml: {says}", s_toml=toml)


def recipe(says: str, toml: str) -> Row:
    return row("retrain resnet18 --dataset digits --recipe r.toml", says, r_toml=toml)


def study(says: str, toml: str) -> Row:
    return row("search --study s", f"studies/s/study.toml: {says}", studies__s__study_toml=toml)


COMMANDS = [
    row(
        "sarch",
        "No such command 'sarch'. Did you mean 'search'? known: search, retrain, run, report",
    ),
    row("--foo", "No such option: --foo; known: --version"),
    row("search --xyzzy --budget 5M", "No such option: --xyzzy; known: --budget, --also"),
    row("retrain --trials 3", "No such option: --trials"),
    row("count", "Missing argument 'ARCH'"),
    row("count resnet18 resnet56", "Got unexpected extra argument(s) (resnet56)"),
    row("presets x", "Got unexpected extra argument(s) (x)"),
    row("search --budget", "Option '--budget' requires an argument"),
    row("dashboard --json", "No such option: --json; known: --study"),
]

BUDGETS = [
    row(f"search --budget '{text}'", f"5e6, 5M, 500k or 5_000_000, got '{text}'")
    for text in (
        "much", "", "1.5", "-5M", "1_", "1__0", "1e6k", "5MB", "5 M", "1e-3", "nan", "0x9",
        "1.00000000000000000000000000000000001M",
    )
] + [
    row("search --budget 0", "from 1 to 1e+15, got '0'"),
    row("search --budget 1e99", "from 1 to 1e+15, got '1e99'"),
    row("count resnet18 --budget five", "a budget is a whole number"),
    row("search", "--budget is needed to begin a study, --study to continue one"),
    row(f"{BEGIN} --max-macs many", "a budget is a whole number such as 5e6"),
    row(f"{BEGIN} --max-macs 10", "fits at most 100k parameters and 10 multiply-adds"),
    row(f"{BEGIN} --bits 8", "--bits says in what --max-bytes is counted, got --bits 8 alone"),
    row(f"{BEGIN} --max-bytes 1M --bits 4", "--bits: must be one of 8, 16, 32, got 4"),
    row(f"{BEGIN} --max-bytes 100 --bits 8", "fits at most 100k parameters and 100 bytes of"),
    row(f"{BEGIN} --also 200k", "--also: budgets must be smaller than --budget"),
    row(f"{BEGIN} --also 50k,50k", "and differ, got 50k beside 50k"),
    row(f"{BEGIN} --also 50k,", "a budget is a whole number such as 5e6"),
    row(f"{BEGIN} --also 100", "no network of the space fits a budget of 100"),
    row(f"{BEGIN} --proposal all", "unknown proposal 'all', known: fill, free"),
    row("plan", "Missing option '--budget'"),
    row("plan --budget 0", "a budget is a whole number such as 5e6"),
    row("plan --budget 5M --trials 0", "--trials: must be greater than or equal to 1, got '0'"),
    row("plan --budget 5M --proposal all", "unknown proposal 'all', known: fill, free"),
    row("plan --budget 5M --pruner all", "unknown pruner 'all', known: halving, median, none"),
    row("plan --budget 5M --dataset folder", "the data set folder needs --data-dir"),
    row("plan --budget 5M --dataset folder --data-dir no", "a folder data set needs train/"),
    row("best --study s", "no study 's' in ./studies"),
    row("best --study s --budget x", "a budget is a whole number such as 5e6"),
    row("search --study new", "--budget is needed to begin a study, there is no ./studies/new"),
    row("search --budget 9 --dataset digits", "the smallest, preact [1,1]"),
]  # fmt: skip

EMPTY = [
    row(f"{command} {option} ''", f"{option}: must not be empty, got ''")
    for command, options in {
        "search --budget 5M": ("--storage", "--dataset", "--data-dir", "--recipe", "--space"),
        "retrain resnet18": ("--storage", "--dataset", "--data-dir", "--recipe", "--out"),
        "dashboard": ("--storage",),
        "count resnet18": ("--dataset",),
    }.items()
    for option in options
] + [
    row("search --budget 5M --study ''", "--study: must not be empty, got ''"),
    row("dashboard --study-name=", "--study: must not be empty, got ''"),
    row("count ''", "unknown arch '', known: an arch file (.json), - for stdin, efficient-resnet"),
    row(f"{BEGIN} --sampler ''", "'', known: tpe, random"),
]

OPTIONS = [
    row("search --budget 5M --trials 0", "--trials: must be greater"),
    row("search --budget 5M --trials=x", "got 'x'"),
    row("search --trials 3 --trials many", "got 'many'"),
    row("search --trials many --trials 0 --budget 5M", "got '0'"),
    row("search --budget 5M --epochs 10001", "--epochs: must be less than or equal to"),
    row("retrain resnet18 --epochs 1000000", "got '1000000'"),
    row("search --budget 5M --epochs 1.5", "got '1.5'"),
    row("retrain resnet18 --select best", "'best', known: last, best-val, best-test"),
    row("retrain resnet18 --select ''", "unknown selection '', known: last, best-val"),
    row(
        "retrain resnet18 --select best-val --test-curves",
        "it needs --select last or best-test, got best-val",
    ),
    row("search --budget 5M --seed -1", "got '-1'"),
    row("search --budget 5M --seed 9223372036854775808", "--seed: must be less"),
    row("search --budget 5M --train-samples 0", "--train-samples: must be greater"),
    row("search --budget 5M --image-size 4097", "--image-size: must be less"),
    row("count resnet18 --image-size 0", "got '0'"),
    row("search --budget 5M --timeout soon", "--timeout: must be a number, got 'soon'"),
    row(f"{BEGIN} --timeout 0", "--timeout: must be greater than 0, got '0'"),
    row(f"{BEGIN} --timeout nan", "--timeout: must be a finite number, got 'nan'"),
    *(
        row(
            f"{BEGIN} --workers '{value}'",
            f"--workers must be auto or a whole number from 1 to 64, got '{value}'",
        )
        for value in ("x", "", "0", "65", "-1", "1.5", "Auto", "9" * 99)
    ),
    row("run s --workers none", "--workers must be auto or a whole number from 1 to 64"),
    row(f"{BEGIN} --sampler best", "'best', known: tpe, random, gp, nsga2"),
    row(f"{BEGIN} --pruner best", "'best', known: halving, median, none"),
    row(f"{BEGIN} --device cuda:99", "--device must be one of auto, cpu"),
    row("dashboard --port 99999", "--port: must be less"),
    row("dashboard --port http", "got 'http'"),
]

NAMES = [
    row(
        "search --budget 5M --dataset mnist", "unknown data set 'mnist', known: cifar10, cifar100"
    ),
    row("count resnet18 --dataset mnist", "unknown data set 'mnist', known: cifar10, cifar100"),
    row("count resnet18 --dataset folder", "--dataset folder: only its images tell"),
    row("search --budget 5M --study ../x", "a study's name has letters, digits"),
    row("search --budget 5M --study /etc/x", "got '/etc/x'"),
    row("search --budget 5M --study .hidden", "got '.hidden'"),
    row(f"search --study {'x' * 101}", "at most 100"),
    row("retrain", "no study in ./studies; budgetnas search begins one"),
    row("retrain 17", "no study in ./studies; budgetnas search begins one"),
    row("retrain best --study no", "no study 'no' in ./studies; budgetnas search begins one"),
    row("dashboard", "no study in ./studies"),
    row("dashboard --study no", "no study 'no' in ./studies"),
    row(
        "retrain resnet19", "'resnet19', known: an arch file (.json), best, a trial's number, eff"
    ),
    row(
        "count resnet19", "'resnet19', known: an arch file (.json), - for stdin, efficient-resnet"
    ),
    row("retrain resnet18 --recipe best", "unknown recipe 'best', known: short, full"),
    row("search --budget 5M --recipe fast", "unknown recipe 'fast', known: short, full"),
    row(f"{BEGIN} --storage here", "--storage must be an SQLAlchemy URL such as sqlite:///study"),
    row(f"{BEGIN} --storage sqlite://", "--storage must outlast the program"),
]

PATHS = [
    row("count -", "stdin: not valid JSON"),
    row("count .", ".: can't be read: Is a directory"),
    row("count no.json", "no.json: can't be read: No such file"),
    row("count /dev/zero", "/dev/zero: must have at most 16,777,216 bytes, has more"),
    row(f"count {'a' * 300}.json", "can't be read: File name too long"),
    row("count 'a\nb.json'", r"'a\nb.json': can't be read"),
    row("search --budget 5M --space no.toml", "no.toml: can't be read: No such"),
    row("search --budget 5M --recipe no.toml", "no.toml: can't be read: No such"),
    row("retrain resnet18 --recipe .", "unknown recipe '.', known: short"),
    row("search --budget 5M --dataset folder", "needs --data-dir"),
    row("search --budget 5M --dataset folder --data-dir no", "no/train is no folder"),
    row("retrain resnet18 --dataset digits --out here", "--out must be a new or empty folder",
        here__file="x"),
    row("retrain resnet18 --dataset digits --resume", "no unfinished run of 'resnet18'"),
    row("retrain resnet18 --resume --out no", "no/run.json: can't be read: No such"),
]  # fmt: skip

ARCHS = [
    row("count net.json", "net.json: not valid JSON: Expecting", net_json="{"),
    row("count net.json", "net.json: not valid JSON: Expecting value", net_json=""),
    row("count net.json", "net.json: not a text file", net_json=b"\xff\xfe\x00"),
    row("count net.json", "the key 'block' is there twice", net_json='{"block": 1, "block": 2}'),
    row("count net.json", "net.json: nested too deeply", net_json="[" * 100_000),
    row("count net.json", "net.json: must be a table of keys, got [1]", net_json="[1]"),
    row("count net.json", "net.json: must be a table of keys, got None", net_json="null"),
    row("count net.json", "block: required, but absent", net_json="{}"),
    row("count net.json", "not valid JSON: Exceeds the limit", net_json="1" * 5000),
    row("count net.json --dataset digits", "net.json: the arch must fit the data, which needs "
        "in_channels=1, num_classes=10, got in_channels=3", net_json=json.dumps(NET)),
    net("block: unknown block 'conv', known: basic, bottleneck, preact", block="conv"),
    net("block: must be text, got 3", block=3),
    net("stem_width: must be a whole number, got True", stem_width=True),
    net("stem_width: must be a whole number, got '16'", stem_width="16"),
    net("stem_width: must be a whole number, got 16.0", stem_width=16.0),
    net("stem_width: must be greater than or equal to 1, got 0", stem_width=0),
    net("stem_width: must be less than or equal to 1000000, got 10000", stem_width=10**100),
    net("stages: must be a list, got 3", stages=3),
    net("stages: at least 1 needed, got []", stages=[]),
    net("stages: at most 12 allowed", stages=NET["stages"] * 13),  # type: ignore[operator]
    stage("stages.0.depth: must be less than or equal to 1000, got 1001", depth=1001),
    stage("stages.0.kernel: a kernel must be odd, got 4", kernel=4),
    stage("stages.0.widht: unknown key, known: depth, kernel, shortcut_kernel, width", widht=1),
    net("a bottleneck's width must be divisible by 4", block="bottleneck",
        stages=[{"width": 6, "depth": 1}]),
    net("dropout: must be a finite number, got nan", dropout=float("nan")),
    net("dropout: must be less than 1, got 1", dropout=1),
    net("norm: must be 'batch' or 'none', got 'layer'", norm="layer"),
    net("se.where: must be 'stem' or 'block', got 'head'", se={"where": "head"}),
    net("in_channels: must be less than or equal to 1000", in_channels=1001),
    row("retrain net.json --dataset digits", "net.json: stem_width: must be a whole number",
        net_json=json.dumps(GREY | {"stem_width": 8.5})),
]  # fmt: skip

SPACES = [
    space("not valid TOML", "[arch"),
    space("not valid TOML: Cannot overwrite a value", "[arch]\ndepth = 1\ndepth = 2"),
    space("search: unknown key, known: arch, recipe", "[search]"),
    space("arch.widht: unknown key, known: block, depth", "[arch]\nwidht = 8"),
    space("arch.width: must be a whole number, got '8'", "[arch]\nwidth = '8'"),
    space("arch.width: must be a whole number, got True", "[arch]\nwidth = true"),
    space("arch.width.1: must be a whole number, got 16.0", "[arch]\nwidth = [8, 16.0]"),
    space("arch.width: choices must differ, got 8 twice", "[arch]\nwidth = [8, 8]"),
    space("arch.width.high: must be a whole number", "[arch]\nwidth = {low = 8, high = '9'}"),
    space("arch.width.high: required, but absent", "[arch]\nwidth = {low = 8}"),
    space("arch.width.high: must be less than", "[arch]\nwidth = {low = 8, high = 10000000}"),
    space("arch.width: low <= high must hold", "[arch]\nwidth = {low = 9, high = 8}"),
    space("arch.width: steps must lead", "[arch]\nwidth = {low = 8, high = 20, step = 8}"),
    space("arch.kernel.low: a kernel must be odd", "[arch]\nkernel = {low = 2, high = 5}"),
    space(
        "arch.stage.99: must be less than or equal to 12, got 99",
        "[arch.stage.99]\nwidth = 8",
    ),
    space(
        "arch.stage.first: must be a whole number, got 'first'",
        "[arch.stage.first]\nwidth = 8",
    ),
    space("arch.block: unknown block 'dense', known: basic", "[arch]\nblock = 'dense'"),
    space("arch.se: must be 'none', 'stem' or 'block'", "[arch]\nse = true"),
    space("arch.stages: must be less than or equal to 12, got 99", "[arch]\nstages = 99"),
    space("recipe.lr: must be greater than 0, got 0", "[recipe]\nlr = 0"),
    space("recipe.lr: must be a number, got datetime.date(", "[recipe]\nlr = 2020-01-01"),
    space("recipe.lookahead: must be true or false, got 1", "[recipe]\nlookahead = 1"),
    space("recipe.clip: must be 'off', 'norm' or 'value'", "[recipe]\nclip = 'on'"),
]

RECIPES = [
    recipe("r.toml: not valid TOML", "epochs = 'x"),
    recipe("r.toml: epoch: unknown key, known: augment, average, base, batch_size", "epoch = 1"),
    recipe("r.toml: epochs: must be less than or equal to 10000, got 1000000", "epochs = 1000000"),
    recipe("r.toml: epochs: must be a whole number, got 3.0", "epochs = 3.0"),
    recipe("r.toml: epochs: must be a whole number, got True", "epochs = true"),
    recipe("r.toml: base: unknown recipe 'best', known: short, full", "base = 'best'"),
    recipe("r.toml: base: unknown recipe 3", "base = 3"),
    recipe("unknown name 'lion', known: sgd, adam, adamw", "optimizer = {name = 'lion', lr = 1}"),
    recipe("optimizer.lr: must be greater than 0, got -1", "optimizer = {lr = -1}"),
    recipe("optimizer.lr: must be a finite number, got inf", "optimizer = {lr = inf}"),
    recipe("optimizer.nesterov: must be true or false", "optimizer = {nesterov = 1}"),
    recipe("schedule: unknown name 'Cosine', known: cosine", "schedule = {name = 'Cosine'}"),
    recipe("clip: must be a table of keys, got 1", "clip = 1"),
    recipe("milestones must ascend, got [5, 3]",
           "schedule = {name = 'MultiStepLR', milestones = [5, 3]}"),
    recipe("augment: must be a list, got 'flip'", "augment = 'flip'"),
    recipe("augment.0: unknown name 'mixup', known: crop", "augment = [{name = 'mixup'}]"),
    recipe("label_smoothing: must be less than 1, got 1.0", "label_smoothing = 1.0"),
    recipe("batch_size: must be greater than or equal to 2", "batch_size = 1"),
]  # fmt: skip

STUDIES = [
    study("not valid TOML", "name ="),
    study("name: required, but absent", ""),
    row(
        "search --study s",
        "nmae: unknown key, known: about, budget",
        studies__s__study_toml="nmae = 's'",
    ),
    row("retrain --study s", "studies/s/study.toml: not valid TOML", studies__s__study_toml="["),
    row("dashboard --study s", "studies/s/study.toml: not", studies__s__study_toml="["),
    row("retrain resnet18 --resume --out run", "run/run.json: not valid JSON", run__run_json="{"),
]

ASKS = """
question = "Which?"
command = "budgetnas run studies/s"
time = { cpu = "", gpu = "" }
data = { dataset = "digits" }
presets = ["modified-resnet-small"]
"""


def asks(says: str, words: str = "run s", old: str = "", new: str = "") -> Row:
    """A study file that can't be, or can't be run so."""
    return row(
        words, says, studies__s__study_toml=ASKS.replace(old, new, 1) if old else ASKS + new
    )


RUNS = [
    row("run", "Missing argument 'STUDY'"),
    row("run ''", "STUDY: must not be empty"),
    row("run s", "no study file s; in ./studies: none"),
    asks("no study file t; in ./studies: s", "run t"),
    asks("studies/s/study.toml: sedes: unknown key, known: arch, budget", new="sedes = 3"),
    asks("unknown preset 'small', known: efficient-resnet", old="modified-resnet-", new=""),
    asks("recipe: epochs: must be a whole number, got 1.5", new="[recipe]\nepochs = 1.5"),
    asks("unknown data set 'cifar', known: cifar10, cifar100", "run s --dataset cifar"),
    asks("unknown data set 'digit', known: cifar10", old='"digits"', new='"digit"'),
    asks("the data set folder needs --data-dir", "run s --dataset folder"),
    asks("--timeout: must be greater than 0, got '0'", "run s --timeout 0"),
    asks("--device must be one of auto, cpu, got 'tpu'", "run s --device tpu"),
    asks("No such option: --trials; known: --quick, --dataset", "run s --trials 3"),
    asks(
        "can't run for 101 epochs (101 moves): Tried to step 101 times",
        new="""
        [recipe]
        epochs = 101
        schedule = { name = "OneCycleLR", max_lr = 0.1, total_steps = 100 }""",
    ),
    asks("nothing has been trained yet: budgetnas run studies/s", "report studies/s"),
    asks("nothing has been trained yet: budgetnas run studies/s", "retrain best --study s"),
    asks("study.toml is a study file, not a study: budgetnas run studies/s", "search --study s"),
    row("report nothing", "no study 'nothing' in ./studies; budgetnas search begins one"),
    row("report ''", "a study's name has letters"),
    row("report a --study b", "STUDY and --study are the same, got a and b"),
    row("report", "no study in ./studies"),
]

BENCHES = [
    row("bench resnet18", "Got unexpected extra argument(s) (resnet18)"),
    row("bench --net ''", "--net: must not be empty, got ''"),
    row("bench --net resnet19", "unknown arch 'resnet19', known: an arch file (.json), efficient"),
    row("bench --net no.json", "no.json: can't be read: No such file"),
    row("bench --net net.json", "in_channels must be 1 (grey) or 3 (colour), got 2",
        net_json=json.dumps(NET | {"in_channels": 2})),
    row("bench --batch 1", "--batch: must be greater"),
    row("bench --engine-batch 1", "--engine-batch: must be greater"),
    row("bench --runs 0", "--runs: must be greater"),
    row("bench --images many", "got 'many'"),
    row("bench --images 100", "--images must be at least --batch, got 100 and 128"),
    row("bench --images 200 --engine-batch 256", "at least --engine-batch, got 200 and 256"),
    row("bench --images 257", "must not leave 1 image in the last --batch, since batch norm "
        "needs 2, got 257 and 128"),
    row("bench --loader-workers -1", "--loader-workers: must be greater"),
    row("bench --image-size 0", "got '0'"),
    row("bench --device tpu", "--device must be one of auto, cpu"),
    row("bench --device cuda:99", "got 'cuda:99'"),
]  # fmt: skip

FIDELITY = "fidelity --study s"
A_GRID = config_of(grid_of({"x": ("a", "b")}, [ARCH], 1), name="s").to_toml()
CALIBRATIONS = [
    row(f"{FIDELITY} --archs 4", "--archs: must be greater than or equal to 5, got '4'"),
    row(f"{FIDELITY} --archs many", "got 'many'"),
    row(f"{FIDELITY} --archs 8 --top 8", "--top must be from 1 to less than --archs, got 8"),
    *(
        row(f"{FIDELITY} --short '{text}'", f"must be whole numbers such as 1,3,9, got '{text}'")
        for text in ("", "1,", "one", "1.5", "-1", "1 3", "1_0", "9" * 10)
    ),
    *(
        row(f"{FIDELITY} --short {text}", f"from 1, each more than the last, got {text}")
        for text in ("0,1", "3,1", "1,1")
    ),
    row(f"{FIDELITY} --short 1,30", "--short must be less than --epochs, got 1,30 and 30"),
    row(f"{FIDELITY} --epochs 5 --short 9", "less than --epochs, got 9 and 5"),
    row(f"{FIDELITY} --epochs 10001", "--epochs: must be less than or equal to 10000, got '100"),
    row(f"{FIDELITY} --seeds 0", "--seeds: must be greater than or equal to 1, got '0'"),
    row(f"{FIDELITY} --recipe best", "unknown recipe 'best', known: short, full"),
    row(f"{FIDELITY} --recipe ''", "--recipe: must not be empty"),
    row(FIDELITY, "no study 's' in ./studies; budgetnas search begins one"),
    row("fidelity", "no study in ./studies; budgetnas search begins one"),
    row("calibrate", "no study in ./studies; budgetnas search begins one"),  # its old name
    row(FIDELITY, "--study must be a search, which has a space to draw from, got 's', a grid",
        studies__s__study_toml=A_GRID),
]  # fmt: skip

FINALISTS = [
    row("finalists", "no study in ./studies; budgetnas search begins one"),
    row("finalists 3", "Got unexpected extra argument(s) (3)"),
    row("finalists --study no", "no study 'no' in ./studies; budgetnas search begins one"),
    row("finalists --study ''", "--study: must not be empty, got ''"),
    row("finalists --top 0", "--top: must be greater than or equal to 2, got '0'"),
    row("finalists --top all", "got 'all'"),
    row("finalists --seeds 1", "--seeds: must be greater than or equal to 2, got '1'"),
    row("finalists --epochs 0", "--epochs: must be greater"),
    row("finalists --recipe fast", "unknown recipe 'fast', known: short, full"),
    row("finalists --budget much", "5e6, 5M, 500k or 5_000_000, got 'much'"),
    row("finalists --workers x", "--workers must be auto or a whole number from 1 to 64"),
    row("finalists --pruner x", "No such option: --pruner; known: --top"),
    row("finalists --study s", "studies/s/study.toml: not valid", studies__s__study_toml="["),
    row("finalists --study s", "the best trials of a search, study 's' is a grid",
        studies__s__study_toml=A_GRID),
    row("retrain resnet18 --seeds 0", "--seeds: must be greater"),
    row("retrain resnet18 --seeds many", "got 'many'"),
]  # fmt: skip

COMPARISONS = [
    row("compare", "no study in ./studies; budgetnas search begins one"),
    row("compare --study no", "no study 'no' in ./studies; budgetnas search begins one"),
    row("compare --study ''", "--study: must not be empty, got ''"),
    row("compare --seeds 0", "--seeds: must be greater than or equal to 1, got '0'"),
    row("compare --seeds many", "got 'many'"),
    row("compare --random -1", "--random: must be greater than or equal to 0, got '-1'"),
    row("compare --random all", "got 'all'"),
    row("compare --epochs 0", "--epochs: must be greater"),
    row("compare --recipe fast", "unknown recipe 'fast', known: short, full"),
    row("compare --workers x", "--workers must be auto or a whole number from 1 to 64"),
    row("compare --top 3", "No such option: --top; known: --seeds"),
    row("compare --study s", "--study must be a search, which has a space to draw from, got 's'",
        studies__s__study_toml=A_GRID),
]  # fmt: skip

IMAGES = [
    row(FOLDER, "images/train is no folder", images__a__x_png=b""),
    row(FOLDER, "at least 2 classes (folders) are needed, got a", images__train__a__x_png=b""),
    row(
        FOLDER,
        "at most one folder may be the val part, got Val and valid: join or rename them",
        **{
            f"images__{part}__{c}__{n}_png": b""
            for part in ("train", "Val", "valid")
            for c in "ab"
            for n in range(3)
        },
    ),
    row(
        FOLDER,
        "6 images can't be read (--skip-unreadable leaves them out): images/train/a/"
        "0.png: not a readable image: ",
        **{f"images__train__{c}__{n}_png": b"" for c in "ab" for n in range(3)},
    ),
    row(FOLDER, "images/train/", images__train__a__x_png=b"x", images__train__b__x_txt="x"),
]

ROWS = [*COMMANDS, *BUDGETS, *EMPTY, *OPTIONS, *NAMES, *PATHS, *ARCHS, *SPACES, *RECIPES,
        *STUDIES, *RUNS, *BENCHES, *CALIBRATIONS, *FINALISTS, *COMPARISONS,
        *IMAGES]  # fmt: skip


def listing() -> dict[Path, bytes]:
    """Everything in this folder, hidden or not."""
    return {p: p.read_bytes() if p.is_file() else b"" for p in Path().rglob("*")}


@pytest.mark.parametrize(
    ("words", "says", "files"), ROWS, ids=[f"{words[:40]}-{says[:40]}" for words, says, _ in ROWS]
)
def test_it_is_one_line_and_nothing_is_written(
    forked: Program, words: str, says: str, files: Files
) -> None:
    write(files)
    before = listing()
    complaint = forked(*shlex.split(words)).complaint()
    assert complaint.startswith("budgetnas: ")
    assert says in complaint
    assert listing() == before
