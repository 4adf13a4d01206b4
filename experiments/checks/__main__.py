"""Runs the checks of known answers, or compiles our programs for TPUs that are not there."""

import sys
import time
from collections.abc import Sequence

from absl import flags as absl_flags

from cnnjax.config import flags, slices, words
from cnnjax.config.config import KNOBS
from experiments import script
from experiments.checks import tpu

DESCRIPTION = """
python -m experiments.checks [--tpu [--all | --models=cnn,vgg11] [--meshes=lanes,data,mixed]
    [--topology=v6e:2x2]]

Without flags, decides the claims that mathematics decides, and prints what was found. With --tpu,
compiles the CNN, a residual network and airbench94 in bfloat16 for a slice of TPUs by the real
compiler, with no TPU: seconds, what each chip holds, collectives. Widths, images and numbers of
blocks are small. Chips have lanes of their own, which must need no collective, share each batch, or
both (--meshes; all three with --all). It needs the extra `tpu`. --all and --models have the
compiler look less hard for fast code: what each chip holds is then more than it would. --models
does --all in pieces.

Exit status: 0 done, 1 a network was refused or the compiler did not start, 2 the command line is
wrong or no compiler is there.
"""


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Runs what is asked for; gives the exit status."""
    values = absl_flags.FlagValues()
    for name, meaning in (
        ("tpu", "Compile for TPUs that are not there."),
        ("all", "With --tpu: every model in float32 and bfloat16."),
    ):
        absl_flags.DEFINE_boolean(name, False, meaning, flag_values=values)
    absl_flags.DEFINE_list(
        "models", [], "With --tpu: these models in float32 and bfloat16.", flag_values=values
    )
    absl_flags.DEFINE_string(
        "topology", tpu.TOPOLOGY, "With --tpu: kind and shape of the slice.", flag_values=values
    )
    absl_flags.DEFINE_list(
        "meshes", None, f"With --tpu: how chips share the work, of {','.join(tpu.MESHES)}; lanes if"
        " not given, all with --all.", flag_values=values,
    )  # fmt: skip
    if others := flags.parse(values, argv, DESCRIPTION):
        flags.refuse(f"unexpected {others[0]!r}: all is given by flags")
    if not values.tpu:
        for name in ("all", "models", "meshes", "topology"):
            if values[name].present:
                flags.refuse(f"--{name} goes with --tpu")
        return print_known_answers()
    models, dtypes, effort = choose_networks(values.all, values.models)
    meshes = values.meshes or (tpu.MESHES if values.all else tpu.MESHES[:1])
    for mesh in meshes:
        if mesh not in tpu.MESHES:
            flags.refuse(flags.describe_unknown("mesh", mesh, tpu.MESHES))
    slices.require_compiler("--tpu")
    begin = time.perf_counter()
    found = []
    for row in tpu.compile_all(models, dtypes, values.topology, effort, meshes):
        if isinstance(row, tpu.Failure) or row.seconds:  # its first program, or that it has none
            print(f"{row.network}: {time.perf_counter() - begin:.0f} s", file=sys.stderr)
        found.append(row)
    compiled = [row for row in found if isinstance(row, tpu.Compiled)]
    tpu.print_results(compiled, values.topology, effort)
    failures = [row for row in found if isinstance(row, tpu.Failure)]
    for failure in failures:
        print(f"failed: {failure.network}: {failure.error}")
    wall, cpu = time.perf_counter() - begin, time.process_time()
    programs = words.count(len(compiled), "program")
    networks = words.count(len(failures), "network")
    print(f"{programs} compiled, {networks} failed, {wall:.0f} s, {cpu:.0f} s of CPU time")
    return script.FAILED if failures else script.DONE


def choose_networks(
    everything: bool, named: Sequence[str]
) -> tuple[Sequence[str], Sequence[str], float]:
    """The models and the precisions that were asked for, and the effort for so many."""
    known, dtypes = KNOBS["model"].choices, KNOBS["dtype"].choices
    if everything and named:
        flags.refuse("--all and --models exclude each other: give one of them")
    for model in named:
        if model not in known:
            flags.refuse(flags.describe_unknown("model", model, known))
    if not (everything or named):
        return tpu.FEW, ("bfloat16",), tpu.USUAL
    return named or known, dtypes, tpu.LEAST


def print_known_answers() -> int:
    """Decides the known answers, one after the other; gives the exit status."""
    from experiments.claims import known_answers

    for known in known_answers.KNOWN_ANSWERS:
        outcome = known.check()
        words.say(f"{known.id}: {known.statement}\n  {outcome.verdict}: {outcome.finding}")
    return script.DONE


if __name__ == "__main__":
    script.run(main, "nothing was written")
