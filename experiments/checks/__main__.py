"""Runs the checks of known answers, or compiles our programs for TPUs that are not there."""

import time
from collections.abc import Sequence

from absl import flags as absl_flags

from cnnjax.config import flags
from experiments import script
from experiments.checks import tpu

DESCRIPTION = """
python -m experiments.checks [--tpu [--all] [--topology=v6e:2x2]]

Without flags, decides the claims that mathematics decides, and prints what was found. With --tpu,
compiles the CNN, a residual network and airbench94 in bfloat16 for a slice of TPUs by the real
compiler, with no TPU: seconds, what each chip holds, collectives. It needs the extra `tpu`.

Exit status: 0 done, 1 a network was refused, 2 the command line is wrong or no compiler is there.
"""


def main(argv: Sequence[str], stop: script.Stop) -> int:
    """Runs what is asked for; gives the exit status."""
    values = absl_flags.FlagValues()
    for name, meaning in (
        ("tpu", "Compile for TPUs that are not there."),
        ("all", "With --tpu: every model in float32 and bfloat16."),
    ):
        absl_flags.DEFINE_boolean(name, False, meaning, flag_values=values)
    absl_flags.DEFINE_string(
        "topology", tpu.TOPOLOGY, "With --tpu: kind and shape of the slice.", flag_values=values
    )
    if others := flags.parse(values, argv, DESCRIPTION):
        flags.refuse(f"unexpected {others[0]!r}: all is given by flags")
    if not values.tpu:
        for name in ("all", "topology"):
            if values[name].present:
                flags.refuse(f"--{name} goes with --tpu")
        return print_known_answers()
    if not tpu.is_installed():
        flags.refuse(
            "--tpu was not checked: the TPU compiler is not installed; pip install -e '.[tpu]'"
        )
    begin = time.perf_counter()
    found = list(tpu.compile_all(values.all, values.topology))
    tpu.print_results([row for row in found if isinstance(row, tpu.Compiled)], values.topology)
    failures = [row for row in found if isinstance(row, tpu.Failure)]
    for failure in failures:
        print(f"failed: {failure.network}: {failure.error}")
    print(f"{len(found) - len(failures)} programs compiled, {len(failures)} networks failed,"
          f" {time.perf_counter() - begin:.0f} s")  # fmt: skip
    return script.FAILED if failures else script.DONE


def print_known_answers() -> int:
    """Decides the known answers, one after the other; gives the exit status."""
    from experiments.claims import known_answers

    for known in known_answers.KNOWN_ANSWERS:
        outcome = known.check()
        print(f"{known.id}: {known.statement}\n  {outcome.verdict}: {outcome.finding}")
    return script.DONE


if __name__ == "__main__":
    script.run(main, "nothing was written")
