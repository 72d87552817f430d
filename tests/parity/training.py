"""Gradients and optimizer steps of a golden network: the part where rounding is amplified."""

from __future__ import annotations

import numpy as np
from parity.comparison import FLOAT32, TINY, norms, sums
from parity.weights import assign

from spherical_cnn.training.network import compile_model

FIRST_KERNEL = "conv0_b0/sphconv/W"
ATTEMPTS = 24
JITTER = (1e-6, 3e-6, 1e-5)  # of the inputs; correct runs are 4e-6 to 1e-5 apart inside a network


def check_training(file, network, attempts):
    """Gradients and optimizer steps.

    A pre-activation within rounding of the nonlinearity's kink (or a tie in a max pool) gives a
    small network another gradient on either side, and either side is right. So a run that misses
    is repeated with inputs moved by no more than rounding moves the activations; one that falls on
    the recorded side must meet the same limits.
    """

    def with_first_batch(attempt):
        signals = network.signals.copy()
        signals[:1] = moved(signals[:1], attempt)
        return signals

    def with_later_batches(attempt):
        return np.concatenate([signals[:1], moved(signals[1:], attempt)])

    def gradients_of(trial, signals):
        network.restore()
        gradients = network.gradients(signals)
        check_gradients(trial, network.limits, gradients)
        return gradients

    def steps_of(trial, signals):
        check_steps(trial, network, gradients, signals)

    signals, gradients = first_that_agrees(file, attempts, with_first_batch, gradients_of)
    attempts = 1 if file.failures else attempts
    first_that_agrees(file, attempts, with_later_batches, steps_of)


def first_that_agrees(file, attempts, signals_of, check):
    """Adopts the first trial without failures, or the very first; gives its signals and result."""
    tried = []
    for attempt in range(attempts):
        trial, signals = file.trial(), signals_of(attempt)
        tried.append((trial, signals, check(trial, signals)))
        if trial.failures == file.failures:
            trial.moved += attempt > 0
            break
    trial, signals, result = tried[-1] if trial.failures == file.failures else tried[0]
    file.adopt(trial)
    return signals, result


def moved(signals, attempt):
    """Signals with relative noise; as they are in attempt 0."""
    rng = np.random.default_rng(attempt)
    noise = rng.standard_normal(signals.shape) * JITTER[attempt % len(JITTER)] * (attempt > 0)
    return (signals * (1 + noise)).astype(signals.dtype)


def check_gradients(file, limits, gradients):
    names = list(gradients)
    file.exact("grad_names", names)
    allowed = {name: limits.gradient for name in names} | {FIRST_KERNEL: limits.first_kernel}
    for match in file.names("grad:(.*)"):
        file.compare(match[0], gradients[match[1]], allowed[match[1]])
    values = [gradients[name] for name in names]
    limit = np.array([allowed[name] for name in names])
    l2 = np.maximum(file.arrays["grad_l2"], 1e-12 * np.max(file.arrays["grad_l2"]))
    file.compare("grad_l2", norms(values), limit, l2)
    # A sum of n terms can be off by √n times the error's L2.
    file.compare("grad_sum", sums(values), limit, l2 * np.sqrt([v.size for v in values]))


def check_steps(file, network, gradients, signals):
    limits, steps = network.limits, len(file.arrays["train_loss_per_step"])
    network.restore()
    compile_model(network.model, network.config, run_eagerly=True)  # a fresh optimizer
    losses, accuracies = [], []
    for step in range(1, steps + 1):
        network.model.reset_metrics()
        logs = network.model.train_on_batch(
            signals[step - 1], network.targets(step - 1), return_dict=True
        )
        losses.append(logs["loss"])
        accuracies.append(logs[next(name for name in logs if name.endswith("accuracy"))])
        check_after(file, network, gradients, step)
    first = np.arange(steps) == 0
    file.compare("train_loss_per_step", losses, np.where(first, *limits.loss))
    # Where weights may differ by more than rounding, one sample may change sides.
    sample = 0.0 if limits is TINY else 1 / len(network.labels[0])
    file.compare("train_acc_per_step", accuracies, np.where(first, 0, sample) + FLOAT32, scale=1)
    file.exact("global_step_after", int(network.model.optimizer.iterations))
    assign(network.variables, network.values(steps))
    check_trained(file, network)


def check_trained(file, network):
    out, labels = network.forward(training=False), network.labels[0]
    recorded, logits = file.arrays["after_all:eval_logits"], out["logits"].numpy()
    limit = network.limits.trained if np.size(file.arrays["train_loss_per_step"]) else TINY.trained
    file.compare("after_all:eval_logits", logits, limit)
    file.compare("after_all:eval_loss", out["loss"], limit)
    # Of two classes that the limit does not tell apart, the recorded one.
    predicted, known = logits.argmax(axis=1), recorded.argmax(axis=1)
    rows = np.arange(len(labels))
    gap = recorded[rows, known] - recorded[rows, predicted]
    predicted = np.where(gap <= 2 * limit * np.max(np.abs(recorded)), known, predicted)
    file.compare("after_all:eval_acc", np.mean(predicted == labels), FLOAT32)
    confusion = np.zeros(file.arrays["after_all:eval_confusion"].shape)
    np.add.at(confusion, (labels, predicted), 1)
    file.exact("after_all:eval_confusion", confusion)


def check_after(file, network, gradients, step):
    values, limits = network.values(step), network.limits
    limit = limits.variables[step > 1]
    reach = network.config.rate(0) * step
    free = {name: np.zeros(values[name].shape, bool) for name in network.shapes}
    if network.config.optimizer == "adam":
        free.update({name: free_steps(file, gradients, name) for name in gradients})
    for match in file.names(f"after{step}:(.*)"):
        full, name = match[0], match[1]
        scale = np.max(np.abs(file.arrays[full])) or 1.0
        file.compare(full, values[name], limit, scale + free[name] * 2 * reach / limit)
    if f"after{step}_l2" not in file:
        return
    names = list(network.shapes)
    count = np.array([np.sum(free[name]) for name in names])
    ordered = [values[name] for name in names]
    l2 = np.maximum(file.arrays[f"after{step}_l2"], 1e-30)
    root = np.sqrt([value.size for value in ordered])
    limit = limits.totals[step > 1]
    slack = 2 * reach / limit
    file.compare(f"after{step}_l2", norms(ordered), limit, l2 + count**0.5 * slack)
    file.compare(f"after{step}_sum", sums(ordered), limit, l2 * root + count * slack)
    change_limit = np.full(len(names), limits.change[step > 1])
    change_limit[names.index(FIRST_KERNEL)] = max(change_limit[0], limits.first_kernel)
    moved = [values[name].astype(float) - network.start[name] for name in names]
    known = np.maximum(file.arrays[f"after{step}_delta_l2"], 1e-30)
    slack = count * reach**2 / known / change_limit
    file.compare(f"after{step}_delta_l2", norms(moved), change_limit, known + slack)


def free_steps(file, gradients, name):
    """Where Adam's first step may have any sign: the gradient is hardly more than rounding noise.

    That is below 1e-6 of the array's largest, or below 30 times the deviation of the gradients.
    """
    ours = recorded = gradients[name]
    if f"grad:{name}" in file:
        recorded = file.arrays[f"grad:{name}"]
    noise = max(1e-6 * np.max(np.abs(recorded)), 30 * np.max(np.abs(ours - recorded)))
    return np.abs(recorded) <= noise
