"""One run as three pure functions: `init`, `advance` and `evaluate`.

Weights, batch order and every other draw follow from the run's seeds and the step number alone.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax

from cnnjax.config.config import Config
from cnnjax.data import augment, batches
from cnnjax.data.prepare import make_prepare
from cnnjax.data.spec import DataSpec as DataSpec
from cnnjax.measures.examine import Examination, examine_training, make_examine, sees_training
from cnnjax.measures.observed import Training
from cnnjax.networks import cost, models
from cnnjax.training import averages, microbatch, optimizers, schedules, tally
from cnnjax.training.state import Average as Average
from cnnjax.training.state import Scores as Scores
from cnnjax.training.state import State as State
from cnnjax.training.state import TrainData as TrainData

INIT, ORDER, TRAIN, DRAW, LABELS, FLIP = range(6)  # what a key derived from a seed is for
SEED_OF = ("seed_init", "seed_order", "seed_order", "seed_draw", "seed_draw", "seed_order")
ENOUGH = 1024  # training images, at most, by which a run is measured before its first step
AUGMENT, NETWORK = range(2)  # what a key derived from that of a training step is for


class Program(NamedTuple):
    """Pure functions of one structure; `Numbers` are the traced fields of the Config."""

    init: Callable[[optimizers.Numbers], State]
    advance: Callable[..., State]  # numbers, state, train data, length; reach
    evaluate: Callable[[State, batches.Batches], Scores]
    examine: Callable[..., Examination]  # state, validation, test
    # Numbers, state, train data: what measures find by training images. None where none is asked,
    # or none can be: images are streamed, or normalised a batch at a time.
    begin: Callable[..., dict[str, Any]] | None = None


def average(structure: Config, state: State) -> Average | None:
    """The average of parameters and batch statistics after the step of `state`, if one is kept."""
    if state.ema is None:
        return None
    newest = Average(state.params, state.batch_stats)
    return averages.move(structure.ema_decay, state.ema, newest, state.step)


def look_ahead(structure: Config, state: State) -> State:
    """The state after a step with its slow average, if one is kept, and where that leads it."""
    if state.slow is None:
        return state
    fast = Average(state.params, state.batch_stats)
    slow, own = averages.look_ahead(
        structure.lookahead, structure.steps, state.slow, fast, state.step
    )
    return state._replace(params=own.params, batch_stats=own.batch_stats, slow=slow)


def make_program(
    structure: Config, spec: DataSpec, platform: str, num_pieces: int = 1, axis: str | None = None
) -> Program:  # fmt: skip
    """The program of every run that shares `structure`.

    `advance(numbers, state, data, length, reach)` takes `length` optimiser steps in one loop, at
    most `reach`. Only the latter is known to a compiler, which rounds steps otherwise in a loop
    whose length it knows: so a run's bits do not tell where it was cut.
    Its gradients are summed over `num_pieces` pieces of each batch, by the devices of a mesh
    `axis` if one is named; how many there are changes the last bits of a run, and so does the axis
    but where it has `microbatch.SHARDS` devices and there are several pieces. Batch statistics are
    those of the whole batch.
    `platform` is the JAX back end whose arithmetic it uses.
    Raises ValueError, naming the layer, where the network does not fit the images.
    """
    network = cost.find_network(structure, spec.image_shape, spec.num_classes)
    model = models.make_model(network, spec.image_shape, spec.num_classes, platform, axis)

    prepare = make_prepare(structure, spec.mean, spec.std)
    # What a stream has done already, or an epoch decides.
    done = {"crop": 0.0} if spec.streamed else {}
    if spec.streamed or structure.flip_alternating:
        done |= {"flip": False, "flip_alternating": False}
    on_device = dataclasses.replace(structure, **done)

    def run_key(numbers: optimizers.Numbers, purpose: int) -> Array:
        return jax.random.fold_in(jax.random.key(numbers[SEED_OF[purpose]]), purpose)

    def score(logits: Array, targets: Array, labels: Array, mask: Array) -> Scores:
        losses = optax.losses.softmax_cross_entropy(logits, targets)
        correct = (logits.argmax(axis=-1) == labels).astype(jnp.float32)
        return Scores((losses * mask).sum(), (correct * mask).sum(), mask.sum())

    def init(numbers: optimizers.Numbers) -> State:
        params, batch_stats = model.init(run_key(numbers, INIT))
        params = models.scale_kernels(params, numbers["init_gain"], model.roles)
        batch_stats = models.set_filters(batch_stats, spec.filters, model.roles)
        params, batch_stats = models.set_weights((params, batch_stats), spec.start)
        opt_state = optimizers.make_optimizer(structure, numbers, model.roles).init(params)
        start = Average(params, batch_stats)
        ema = start if structure.ema_decay else None
        slow = start if structure.lookahead else None
        none, sums = jnp.zeros((), jnp.int32), jnp.zeros(3 + spec.num_classes)
        last = tally.begin_last_step()
        return State(params, batch_stats, ema, slow, opt_state, none, none, sums, last)

    def find_labels(numbers: optimizers.Numbers, data: TrainData) -> Array:
        if not structure.shuffle_labels:
            return data.labels
        return jax.random.permutation(run_key(numbers, LABELS), data.labels)

    def smooth(numbers: optimizers.Numbers, targets: Array) -> Array:
        smoothing = numbers["label_smoothing"]  # Szegedy et al. 2016, section 7
        return targets * (1 - smoothing) + smoothing / spec.num_classes

    def find_order(
        numbers: optimizers.Numbers, data: TrainData, step: Array, num_steps: int, size: int
    ) -> Array:
        """Places [num_steps, size] in the training data of what steps of that size see."""
        if spec.streamed:
            return jnp.arange(num_steps * size).reshape(num_steps, -1)
        key = run_key(numbers, ORDER)
        order = batches.batch_indices(key, step, num_steps, size, spec.num_train)
        if not spec.drawn:
            return order
        key = run_key(numbers, DRAW)
        return batches.draw_stratified(key, data.labels, spec.num_classes, spec.num_train)[order]

    def begin_sums(state: State) -> State:
        """The state with sums of its own since the last evaluation, were it only now."""
        every = structure.eval_every
        due = state.step % every == 0 if every else state.step == 0
        return state._replace(sums=jnp.where(due, 0, state.sums))

    def end_diverged(state: State, last: State, losses: Array, length: Array) -> State:
        """The last state, by the losses of its steps: no number of a run that has diverged.

        Asked once for many steps, it costs no time; nothing of such a run is used by mistake, and
        wherever its steps are cut it is the same.
        """
        finite = jnp.cumprod(jnp.isfinite(losses).astype(jnp.int32)).sum()
        new = jnp.where(finite < length, state.step + finite + 1, 0)
        diverged_at = jnp.where(state.diverged_at > 0, state.diverged_at, new)

        def end(leaf: Array) -> Array:
            floating = jnp.issubdtype(leaf.dtype, jnp.floating)
            return jnp.where(diverged_at > 0, jnp.nan, leaf) if floating else leaf

        return jax.tree.map(end, last)._replace(diverged_at=diverged_at)

    def advance(
        numbers: optimizers.Numbers, state: State, data: TrainData, length: Array, reach: int
    ) -> State:
        optimizer = optimizers.make_optimizer(structure, numbers, model.roles)
        trained = optimizers.find_trained(structure, model.roles, state.params)
        all_labels = find_labels(numbers, data)

        def load_batch(key: Array, indices: Array, step: Array) -> tuple[Array, Array, Array]:
            if axis and spec.streamed:
                shares = (data.images, all_labels)
                images, labels = microbatch.gather_batch(shares, indices, axis)
            else:
                images, labels = data.images[indices], all_labels[indices]
            images = images.astype(jnp.float32)
            if structure.flip_alternating:
                before = step * structure.batch_size  # images seen
                epochs = (before + jnp.arange(structure.batch_size)) // spec.num_train
                images = augment.alternate_flip(run_key(numbers, FLIP), images, indices, epochs)
            targets = jax.nn.one_hot(labels, spec.num_classes)
            images, targets = augment.augment(
                on_device, jax.random.fold_in(key, AUGMENT), images, targets, spec.mean, spec.std
            )
            return images, smooth(numbers, targets), labels

        def share_of_loss(
            params: models.Params, stats: models.Stats, key: Array, batch: tuple
        ) -> tuple[Array, tuple[models.Stats, tuple[Scores, Array]]]:
            """The loss of some of a batch, as a part of the mean over all of it."""
            images, targets, labels = batch
            logits, stats = model.apply(params, stats, prepare(images), key)
            scores = score(logits, targets, labels, jnp.ones(len(labels), jnp.float32))
            return scores.loss / structure.batch_size, (stats, (scores, targets.sum(axis=0)))

        find_grads = jax.grad(share_of_loss, has_aux=True)

        def step(state: State, indices: Array, is_last: Array) -> tuple[State, Array]:
            key = jax.random.fold_in(run_key(numbers, TRAIN), state.step)
            batch = load_batch(key, indices, state.step)
            # What the network draws never shares a key with what augmentation draws: the i-th
            # key of a split is that of `fold_in` with i.
            own = jax.random.fold_in(key, NETWORK)

            def find_part(index: Array | int, part: tuple) -> tuple:
                grads, (stats, sums) = find_grads(
                    state.params, state.batch_stats, jax.random.fold_in(own, index), part
                )
                return (grads, sums), stats

            (grads, (scores, targets)), batch_stats = microbatch.sum_over_batch(
                find_part, batch, num_pieces, axis
            )
            # The layouts of gradients, and with them how their products are rounded into averages,
            # follow the number of lanes on a device where XLA may look beyond them.
            grads = lax.optimization_barrier(grads)
            updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
            params = optax.apply_updates(state.params, updates)
            new = state._replace(
                params=params, opt_state=opt_state, step=state.step + 1,
                batch_stats=state.batch_stats if num_pieces > 1 else batch_stats,
            )  # fmt: skip
            new = new._replace(sums=state.sums + jnp.concatenate([jnp.stack(scores), targets]))
            norm = tally.find_norm(tally.pick_trained(grads, trained), is_last)
            new = new._replace(last=new.last._replace(gradient_norm=norm))
            new = look_ahead(structure, new)
            return new._replace(ema=average(structure, new)), scores.loss

        order = find_order(numbers, data, state.step, reach, structure.batch_size)

        def take(index: Array, so_far: tuple[State, Array]) -> tuple[State, Array]:
            before, losses = so_far
            after, loss = step(before, order[index], index == length - 1)
            return after, losses.at[index].set(loss)

        last, losses = lax.fori_loop(0, length, take, (begin_sums(state), jnp.zeros(reach)))
        schedule = schedules.make_schedule(structure, numbers)
        moved = tally.find_last_step(schedule, last.step, last.last.gradient_norm, last.params)
        return end_diverged(state, last._replace(last=moved), losses, length)

    def begin(numbers: optimizers.Numbers, last: State, data: TrainData) -> dict[str, Any]:
        state = init(numbers)
        seen = find_order(numbers, data, state.step, 1, min(spec.num_train, ENOUGH))[0]
        targets = jax.nn.one_hot(find_labels(numbers, data)[seen], spec.num_classes)
        trained = optimizers.find_trained(structure, model.roles, state.params)
        own = Training(spec, prepare, data.images[seen], smooth(numbers, targets), trained)
        return examine_training(structure, model, judged(state), judged(last), own)

    def judged(state: State) -> Average:
        """The parameters and statistics that are evaluated."""
        return state.ema or Average(state.params, state.batch_stats)

    def evaluate(state: State, split: batches.Batches) -> Scores:
        params, batch_stats = judged(state)

        def judge(batch: batches.Batches) -> Scores:
            images = prepare(batch.images)
            logits = models.answer(model, params, batch_stats, images)
            targets = jax.nn.one_hot(batch.labels, spec.num_classes)
            return score(logits, targets, batch.labels, batch.mask)

        shared = axis if axis and len(split.labels) % lax.axis_size(axis) == 0 else None
        if shared or len(split.labels) % microbatch.SHARDS == 0:
            return microbatch.sum_over_pieces(judge, split, shared)
        return jax.tree.map(lambda sums: sums.sum(axis=0), lax.map(judge, split))

    examine_run = make_examine(structure, model, spec, prepare)

    def examine(state: State, validation: batches.Batches, test: batches.Batches) -> Examination:
        return examine_run(*judged(state), validation, test)

    def at_precision(function: Callable) -> Callable:
        """The function with every product and convolution in it at the precision of the run."""

        @functools.wraps(function)
        def traced(*arguments: Any, **named: Any) -> Any:
            with jax.default_matmul_precision(structure.precision):
                return function(*arguments, **named)

        return traced

    functions = Program(*map(at_precision, (init, advance, evaluate, examine)))
    if spec.streamed or not sees_training(structure):
        return functions
    if cost.measure(structure, spec.image_shape, spec.num_classes).mixes_batch:
        return functions
    return functions._replace(begin=at_precision(begin))
