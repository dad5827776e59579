"""One training, as a recipe says."""

import contextlib

import keras

import kerastl
from kerastl.apps.recipes.recipe import Setting
from kerastl.apps.recipes.training_options import TrainingOptions
from kerastl.apps.runs.best_epoch import BestEpoch
from kerastl.apps.runs.best_epoch import describe_best
from kerastl.apps.runs.epoch_checkpoint import EpochCheckpoint
from kerastl.apps.runs.fit_progress import FitProgress
from kerastl.apps.runs.label_form import crossentropy
from kerastl.apps.runs.label_form import in_form
from kerastl.apps.runs.stored_training import stored_training
from kerastl.apps.runs.stored_training import trains_on_features
from kerastl.apps.texts import say
from kerastl.data import FilteredBatches
from kerastl.has_accelerator import has_accelerator
from kerastl.optimizers.grouped_optimizer import optimizer_parts
from kerastl.surgery import default_taps
from kerastl.surgery.batch_norm import batch_normalizations
from kerastl.surgery.downsampling import is_blur
from kerastl.surgery.graph import hidden_layers
from kerastl.training.fine_tuner_checks import check_finite_images

NO_OPTIONS = TrainingOptions()
WAY_ON = (
    "Go on with resume=True (--resume) and a lower learning rate or strength "
    "(--learning-rate, --strength), or begin anew in another folder."
)


@contextlib.contextmanager
def released_graphs():
    """Forgets the gradients that graphs made in the block gave to TensorFlow.

    On TensorFlow every optimizer of Keras all-reduces the gradients, which
    defines a gradient of its own (`tf.custom_gradient`). TensorFlow keeps
    these by name for the life of the process, and with each the graph of the
    step, 45 MB where a network is small. Who trains often in one process runs
    out of memory. A graph that is built already does not look them up again.

    On other backends nothing is done.
    """
    before = set(_registry())
    try:
        yield
    finally:
        forget_gradients(before)


def forget_gradients(kept=()):
    """Forgets the gradients that graphs defined, except those in `kept`."""
    registry = _registry()
    for name in [name for name in registry if name not in kept]:
        if name.startswith("CustomGradient-"):
            del registry[name]


def _registry():
    if keras.backend.backend() != "tensorflow":
        return {}
    from tensorflow.python.framework import ops

    # There is no public way to it.
    return getattr(ops.gradient_registry, "_registry", {})


@released_graphs()
def train_network(
    student,
    source,
    recipe,
    data,
    epochs,
    learning_rate=None,
    jit_compile=None,
    checkpoint=None,
    validate=True,
    console=None,
    label=None,
    progress=None,
    seed=0,
    source_classes=None,
    findings=None,
    strength=1.0,
    way_on=WAY_ON,
    new_head=False,
    record=None,
    log_dir=None,
    options=NO_OPTIONS,
):
    """Trains a student.

    Args:
        student: The network to train, its head in place. It is trained in
            place, unless the recipe rewrites it.
        source: The network that it came from; used if the recipe asks for it.
            With its head, if the recipe reads that.
        recipe: An `apps.Recipe`.
        data: An `apps.ImageData`.
        epochs: Number of epochs.
        learning_rate: The highest learning rate, of which the recipe makes
            its schedule. Defaults to the recipe's.
        jit_compile: Compile the step with XLA. `None` does so on a GPU only:
            on a CPU compiling takes longer than a short run gains.
        checkpoint: Path of the `.npz` that a killed training resumes from.
            `None` keeps none.
        validate: Whether the validation part is looked at after every epoch.
        console: `rich.console.Console` to show progress on.
        label: Text of one progress bar for the whole training. `None` shows
            a line an epoch.
        progress: The `RunProgress` of the run that the training is a part
            of, whose console is then written to, or `None`.
        seed: Seed of what the method draws.
        source_classes: Names of the source's classes, for the methods that
            compare them with the data's.
        findings: Dict that the method may write to what it found out about
            the data, for the report.
        strength: Factor of the weights of the method's terms and penalty.
        way_on: What the error of a training that diverged tells to do;
            `None` where its caller goes on without it.
        new_head: Whether the student's classifier was drawn at random, for
            other classes than the source's. It is fitted to the frozen
            features first, see `kerastl.fit_head`, unless the recipe has a
            start of its own.
        record: Function that gets the history so far after every epoch.
        log_dir: Folder for TensorBoard, or `None`.
        options: The `TrainingOptions`. What they ask of the optimizer is the
            recipe's, see `adapt_recipe`.

    Returns:
        The trained network, and the history: a dict of column to one value an
        epoch; empty if the recipe takes no training step.

    Raises:
        FloatingPointError: If the training diverges: a loss or a variable is
            NaN or infinite, or the loss explodes. It names them, and says how
            to go on.
        ValueError: If images are NaN or infinite.
    """
    if progress is not None:
        console = progress.console
    check_finite_images(data.parts["train"].images)
    if not recipe.trains:
        kerastl.reestimate_batch_norm(student, data.calibration)
        return student, {}
    blurred = source is not None and _blurs(student) > _blurs(source)
    if blurred and recipe.batch_norm == "freeze":
        kerastl.surgery.adjust_batch_norm(student, source, data.calibration)
    if new_head and not recipe.starts_head:
        kerastl.fit_head(student, data.calibration, seed=seed)
    setting = Setting(
        student,
        source,
        data,
        epochs,
        data.steps_per_epoch,
        learning_rate=learning_rate,
        seed=seed,
        strength=strength,
        source_classes=source_classes,
        new_head=new_head,
        findings={} if findings is None else findings,
        validates=validate,
        options=options,
    )
    on_features = trains_on_features(recipe, data)
    if on_features:
        # The top shares its layers with the student, and trains them.
        setting.student, train, validation = stored_training(
            student, data, validate
        )
        train = in_form(train, setting)
    tuner = make_tuner(recipe, setting, jit_compile)
    if on_features:
        setting.student = student
    else:
        train = training_data(recipe, setting)
        validation = setting.validation
    validation = in_form(validation, setting)
    # The checkpoint has the last sound epoch: no second copy is needed.
    watch = kerastl.callbacks.StopOnDivergence(restore=False)
    best = None
    if options.selects:
        best = BestEpoch(options.keep == "best", options.patience)
    keeper = EpochCheckpoint(checkpoint, watch, setting.by_epoch, best)
    done = data.next_epoch = keeper.restore(tuner)
    is_over = best is not None and best.is_over(done)
    if done and console is not None:
        left = done < epochs and not is_over
        where = f"at epoch {done + 1}" if left else "after the last"
        console.print(f"resumed {where} of {epochs}", highlight=False)

    def draw(epoch, logs=None):
        # Not left to the data's own count: Keras may look at a batch first.
        data.next_epoch = epoch

    drawing = keras.callbacks.LambdaCallback(on_epoch_begin=draw)
    callbacks = [watch, drawing, *recipe.callbacks(setting)]
    if log_dir is not None:
        # In front of the checkpoint: a kill between the two writes an epoch's
        # curves again, and loses none. The graph of a training step is no
        # network that one could read.
        callbacks.append(
            keras.callbacks.TensorBoard(str(log_dir), write_graph=False)
        )
    callbacks.append(keeper)
    parts = optimizer_parts(tuner.optimizer, tuner.trainable_variables)
    if validation is not None and any(part.use_ema for part, _ in parts):
        # What ships is the average: that is what validation looks at.
        callbacks.insert(0, keras.callbacks.SwapEMAWeights())
    if best is not None:
        callbacks.insert(0, best)
    if record is not None:
        callbacks.append(
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda *_: record(keeper.history)
            )
        )
    shown = None
    if console is not None:
        # On stored features an epoch says nothing of the network's own pace.
        shown = FitProgress(console, label, progress, paces=not on_features)
        callbacks.append(shown)
    try:
        tuner.fit(
            train,
            validation_data=validation,
            epochs=done if is_over else epochs,
            initial_epoch=done,
            callbacks=callbacks,
            # The data comes shuffled.
            shuffle=False,
            verbose=0,
        )
    finally:
        if shown is not None:
            shown.on_train_end()
    if watch.message:
        told = f"{_kept(keeper)} {way_on}" if way_on else ""
        raise FloatingPointError(f"{watch.message}{told}")
    if setting.by_epoch:
        setting.findings["by_epoch"] = setting.by_epoch
    if best is not None and best.found:
        kept = {
            **best.found,
            "epochs": len(keeper.history["epoch"]),
            "weights": best.keeps,
            "patience": best.patience,
        }
        setting.findings["kept"] = [kept]
        say(console, describe_best(kept, epochs))
    if recipe.trainable == "head":
        for layer in _below_head(setting.student):
            layer.trainable = True
    # Held for this training, not for what its user does next.
    for layer in batch_normalizations(setting.student):
        layer.trainable = True
    return recipe.finish(setting), keeper.history


def _blurs(network):
    return sum(map(is_blur, hidden_layers(network)))


def _kept(keeper):
    if keeper.path is None:
        return ""
    if not keeper.saved:
        return " No epoch was sound."
    return f" The state after epoch {keeper.saved} is kept."


def training_data(recipe, setting):
    """The batches that a recipe trains on, with what it needs in them."""
    data = setting.data
    batches = data.training(
        with_index=recipe.needs_index,
        with_unlabelled=recipe.needs_unlabelled,
        filtered=recipe.hides_samples,
    )
    batches = in_form(recipe.dataset(setting, batches), setting)
    if recipe.hides_samples:
        batches = FilteredBatches(batches, data.sample_filter, data.batch_size)
    return batches


def make_tuner(recipe, setting, jit_compile=None) -> kerastl.FineTuner:
    """Makes the tuner that trains a network as a recipe says.

    Args:
        recipe: An `apps.Recipe` that trains.
        setting: The `Setting` of the run. Its student is replaced by the one
            that the recipe's surgery makes of it.
        jit_compile: Compile the step with XLA. `None` does so on a GPU only.

    Returns:
        A compiled `kerastl.FineTuner` of `setting.student`.
    """
    setting.student = recipe.surgery(setting)
    if recipe.regularizer is not None:
        regularizer = recipe.regularizer(setting)
        # Of the pre-trained weights alone: the head's is common to all.
        regularizer.strength *= setting.strength
        regularizer.attach(setting.student)
    if recipe.trainable == "head":
        for layer in _below_head(setting.student):
            layer.trainable = False
    losses = recipe.transfer_losses(setting)
    for term in losses:
        term.weight *= setting.strength
    tuner = kerastl.FineTuner(
        setting.student,
        source=setting.source if recipe.uses_source else None,
        taps=_taps(losses, setting) if recipe.uses_source else None,
        batch_norm=recipe.batch_norm,
    )
    tuner.compile(
        optimizer=recipe.optimizer(setting),
        loss=crossentropy(setting),
        transfer_losses=losses,
        metrics=["accuracy"],
        jit_compile=has_accelerator() if jit_compile is None else jit_compile,
    )
    return tuner


def _taps(losses, setting):
    """The taps that the losses name, and the default ones for the others.

    `None`, the tuner's default, where no loss names any. Otherwise the others
    are given theirs: they would compare at the named ones too.
    """
    named = [tap for term in losses for tap in term.taps or []]
    if not named:
        return None
    others = [term for term in losses if term.taps is None]
    if others:
        default = default_taps(setting.source, setting.student)
        for term in others:
            term.taps = default
        named = [*default, *named]
    return list(dict.fromkeys(named))


def _below_head(student):
    """The layers with weights in front of the classifier."""
    *below, _ = [layer for layer in student.layers if layer.weights]
    return below
