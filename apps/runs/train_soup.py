"""Several trainings from one start, averaged: a model soup."""

import copy

import numpy as np

from kerastl.apps.runs.epoch_checkpoint import save_table
from kerastl.apps.runs.greedy_soup import choose_members
from kerastl.apps.runs.greedy_soup import describe_soup
from kerastl.apps.runs.greedy_soup import mean_weights
from kerastl.apps.runs.run_progress import RunProgress
from kerastl.apps.runs.train_network import train_network
from kerastl.surgery import copy_model


def check_soup(soup, recipe, weights, rates=()) -> int:
    """Raises `ValueError` if `soup` trainings cannot be averaged.

    Args:
        soup: Number of trainings; with 1, as many as there are rates.
        recipe: The `apps.Recipe` that trains.
        weights: What the source is built from.
        rates: Learning rates that they take in turn, where there are several.

    Returns:
        The number of trainings.
    """
    if soup == 1:
        soup = max(1, len(rates))
    if soup == 1:
        return soup
    if soup < len(rates):
        raise ValueError(
            "Every learning rate has a training of its own at least. Leave "
            "`soup` (--soup) out, or pass fewer rates. "
            f"Received: soup={soup}, learning_rate={list(rates)}"
        )
    reason = None
    if weights is None:
        reason = "trainings from random weights end far from each other"
    elif not recipe.trains:
        reason = f"the method '{recipe.name}' trains nothing"
    elif not recipe.averages:
        reason = (
            f"every training of the method '{recipe.name}' leaves other "
            "weights out, or gathers others"
        )
    if reason:
        raise ValueError(
            f"The weights cannot be averaged: {reason}. Leave `soup` (--soup) "
            f"out, and pass one `learning_rate`. Received: soup={soup}"
        )
    return soup


def train_soup(
    soup,
    student,
    source,
    recipe,
    data,
    epochs,
    folder=None,
    log_dir=None,
    findings=None,
    rates=(),
    **options,
):
    """Trains one start `soup` times and averages the weights.

    The trainings see the images in other orders and under other crops. From
    one start they end in one valley of the loss, each a little to the side of
    its lowest point, and the mean lies nearer to it than any of them. What
    ships is one network, as large and as fast as one training's.

    Trainings at several learning rates are not all as good. They are put in
    one behind the other, the most accurate on the validation images first,
    and one with which the mean is less accurate than without is left out. So
    is one that diverges.

    Args:
        soup: Number of trainings; with 1 it is that training.
        student: The network to train, its head in place: every training gets
            a copy, a single one the network itself.
        source: As in `train_network`.
        recipe: As in `train_network`; `check_soup` says which can be averaged.
        data: As in `train_network`.
        epochs: Number of epochs of every training.
        folder: `RunFolder` that keeps the state of a training, and the
            networks that are done, for a killed run to go on from. `None`
            keeps nothing, and no history while it grows.
        log_dir: Folder for TensorBoard, with one for each of several
            trainings in it, or `None`.
        findings: As in `train_network`; what was noted epoch by epoch, and
            which epoch was kept, is there of all trainings, as in the history.
            Of several rates `soup` has what each came to.
        rates: Learning rates that the trainings take in turn, if there are
            several.
        **options: Passed on to `train_network`.

    Returns:
        The network, and the history: the trainings' one behind the other.

    Raises:
        FloatingPointError: As in `train_network`; of several rates, if none
            is left.

    Reference:
        Wortsman et al., "Model soups", ICML 2022, section 2: the uniform
        soup, and of several rates the greedy one. Theirs varies other
        hyperparameters too.
    """
    progress = options.get("progress") or RunProgress(options.get("console"))
    start, history, members = student, {}, {}
    findings = {} if findings is None else findings
    for number in range(soup):
        again = data if number == 0 else _redrawn(data, number)
        options["checkpoint"] = _place(folder, _checkpoint_name(number))
        if log_dir is not None:
            single = log_dir / f"training-{number + 1}"
            options["log_dir"] = log_dir if soup == 1 else single
        if folder is not None:
            options["record"] = _recorder(folder, history)
        rate = None
        if rates:
            rate = options["learning_rate"] = rates[number % len(rates)]
        kept = _kept(folder, number)
        if kept is None:
            progress.describe("preparing")
            at = f" at {rate:g}" if rate else ""
            progress.begin(
                f"training-{number + 1}",
                f"training {number + 1} of {soup}{at}" if soup > 1 else None,
            )
            found, failed = {}, None
            # Without any training there is nothing to ship.
            needed = not rates or (number == soup - 1 and not members)
            advice = {} if needed else {"way_on": None}
            trained = start if soup == 1 else copy_model(start)
            try:
                student, columns = train_network(
                    trained,
                    source,
                    recipe,
                    again,
                    epochs,
                    findings=found,
                    **options,
                    **advice,
                )
            except FloatingPointError as error:
                if needed:
                    _forget(folder, soup)
                    raise
                columns, failed = {}, str(error)
                progress.say(f"{rate:g} is left out: {error}")
            kept = {"history": columns, "findings": found, "failed": failed}
            if folder is not None and soup > 1:
                _keep(folder, number, kept, student)
        elif not kept["failed"]:
            student = folder.load_model(_trained_name(number))
        for each in kept["findings"].get("kept", ()) if soup > 1 else ():
            # Those that diverge have none: places do not tell it.
            each["training"] = number + 1
        _join(findings, kept["findings"], len(history.get("epoch", ())))
        _append(history, kept["history"])
        if not kept["failed"]:
            members[number] = student.get_weights()
    if rates:
        members, findings["soup"] = choose_members(
            members, student, data, [rates[n % len(rates)] for n in range(soup)]
        )
        progress.say(describe_soup(findings["soup"]))
    if soup > 1:
        student.set_weights(mean_weights(members.values()))
    return student, history


def _kept(folder, number):
    """What is known of a training that is over, or `None`."""
    if folder is None:
        return None
    trained = folder.file(_trained_name(number))
    about = trained.with_suffix(".json")
    if not about.exists():
        return None
    kept = folder.read_json(about.name)
    return kept if kept["failed"] or trained.exists() else None


def _forget(folder, soup):
    """Lets trainings that diverged go on when they are resumed."""
    if folder is None:
        return
    for number in range(soup):
        kept = _kept(folder, number)
        if kept is not None and kept["failed"]:
            folder.file(_trained_name(number)).with_suffix(".json").unlink()


def _keep(folder, number, kept, student):
    # The network last: where it is, all of it is.
    name = _trained_name(number)
    folder.write_json(folder.file(name).with_suffix(".json").name, kept)
    if not kept["failed"]:
        folder.save_model(student, name)


def remove_state(folder, soup):
    """Removes what a training that is over would have gone on from."""
    for number in range(soup):
        trained = folder.file(_trained_name(number))
        for path in (
            folder.file(_checkpoint_name(number)),
            trained,
            trained.with_suffix(".json"),
        ):
            path.unlink(missing_ok=True)


def _checkpoint_name(number):
    """File of the state of a training that runs."""
    return f"checkpoint-{number + 1}.npz" if number else "checkpoint.npz"


def _trained_name(number):
    return f"training-{number + 1}.keras"


def _place(folder, name):
    return None if folder is None else folder.file(name)


def _redrawn(data, number):
    """The same images, in other orders and under other crops."""
    again = copy.copy(data)
    # What was made of the first draws, or kept of what they found.
    for made in ("train", "sample_filter"):
        again.__dict__.pop(made, None)
    draws = np.random.default_rng((data.seed, number))
    again.seed = int(draws.integers(2**31))
    return again


def _recorder(folder, before):
    """Keeps the history of a training that runs readable in the folder."""

    def record(columns):
        history = {name: list(column) for name, column in before.items()}
        _append(history, columns)
        save_table(folder, history)

    return record


def _join(findings, found, before):
    """Puts what a training found in place of what those before it did.

    What was noted epoch by epoch, and which epoch was kept, goes behind
    theirs.
    """
    kept = [*findings.get("kept", ()), *found.get("kept", ())]
    noted = findings.get("by_epoch", {})
    for name, rows in found.get("by_epoch", {}).items():
        noted.setdefault(name, []).extend(
            {**row, "epoch": before + row["epoch"]} for row in rows
        )
    findings |= found
    if kept:
        findings["kept"] = kept
    if noted:
        findings["by_epoch"] = noted


def _append(history, columns):
    """Puts a training's history behind those before it."""
    before = len(history.get("epoch", ()))
    for name, values in columns.items():
        if name == "epoch":
            values = [before + value for value in values]
        history.setdefault(name, []).extend(values)
