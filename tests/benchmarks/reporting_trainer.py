"""Runs a training program as it is, but lets it report every loop of steps on standard output.

python -m tests.benchmarks.reporting_trainer tfseg.train --flagfile=...
python -m tests.benchmarks.reporting_trainer official.vision.train --experiment=...

A line is REPORT and a json object: step, seconds (processor time so far) and the mean losses of
the loop's steps. Both programs train through Model Garden's base_trainer.Trainer.
"""

import json
import runpy
import sys
import time

REPORT = "loop: "


def main() -> None:
    """Patches the trainer and runs the module that the first argument names."""
    from official.core import base_trainer

    end_loop = base_trainer.Trainer.train_loop_end

    def end_and_report(trainer):
        logs = end_loop(trainer)
        losses = {name: float(value) for name, value in logs.items() if name.endswith("loss")}
        line = {"step": int(trainer.global_step.numpy()), "seconds": time.process_time(), **losses}
        print(REPORT + json.dumps(line), flush=True)
        return logs

    base_trainer.Trainer.train_loop_end = end_and_report
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
